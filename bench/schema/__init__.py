"""The one place that says what each file looks like."""
