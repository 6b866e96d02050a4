"""What makes the things that ship, run in a checkout and no part of the package."""
