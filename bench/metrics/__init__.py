"""The registry of all metrics, and how each comes from samples."""
