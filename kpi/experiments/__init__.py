"""Experiments: saved states of the whole exchange, each a database of its own, and their return."""
