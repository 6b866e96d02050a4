"""The reference models: tiny, real language models that make the whole pipeline run offline."""
