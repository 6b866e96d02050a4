"""Levels of load, and the matrix of prompt and answer lengths."""
