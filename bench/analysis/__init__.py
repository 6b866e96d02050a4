"""What the measurements of one run, two runs and a whole history say."""
