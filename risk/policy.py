"""A risk policy as one frozen value, with a canonical text and a digest."""
