"""Fault trials: what dies comes back by itself, and no acknowledged order is lost or doubled.

Each trial kills or stops a part of a real exchange under load. ``make faults`` runs them and prints
their figures; ``make test`` does not, since they take minutes.
"""
