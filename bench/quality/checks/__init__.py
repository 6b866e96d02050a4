"""The checks that a facet of a rubric can name."""
