"""A second model that scores answers against their rubrics."""
