"""Run configurations, from YAML or JSON to typed and frozen values."""
