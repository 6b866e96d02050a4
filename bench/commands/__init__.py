"""The commands of `bench`, a module for each group of them; together with `bench.cli` the only place that prints."""
