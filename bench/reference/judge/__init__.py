"""The reference judge: a small network that is asked what `bench judge` asks, and what it was taught with."""
