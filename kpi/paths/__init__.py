"""Charts of how things came about: an account's way to its close-out, an instrument's prices."""
