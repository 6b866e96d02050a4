"""Scores by a person."""
