"""The rules of risk over many accounts at once: whole numbers of the smallest unit, by NumPy."""
