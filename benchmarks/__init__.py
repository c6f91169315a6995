"""Measurements of the exchange as ``make bench`` takes them, each a ratio taken in one run.

Every part runs on a database of its own, in embedded servers of its own, never on the data of
``make run``.
"""
