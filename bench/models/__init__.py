"""Models before a run: the catalogue, the cache on the disk, and how a model comes into it or is built."""
