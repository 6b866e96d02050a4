"""The machine: what it is, what a model takes of it, how steady it is."""
