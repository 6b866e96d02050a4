"""Ways to a model: one module a provider, behind one small protocol."""
