"""Running models and measuring their requests; nothing here knows what is made of it."""
