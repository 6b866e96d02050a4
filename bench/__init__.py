"""Benchledger: benchmark local language models and keep the results like a ledger."""

__version__ = "0.1.0"
