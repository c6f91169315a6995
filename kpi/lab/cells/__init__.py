"""Cells: a population under one policy through a tape, and what is measured of it."""
