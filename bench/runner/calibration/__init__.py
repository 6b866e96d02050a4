"""The client's own error, measured against a reference server."""
