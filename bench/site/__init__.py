"""The static site, from the ledger to pages, charts and data files."""
