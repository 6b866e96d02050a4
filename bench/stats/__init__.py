"""Statistics: arrays in, numbers out, with the seed passed in and the source of each formula."""
