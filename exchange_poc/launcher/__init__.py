"""The launcher: the embedded PostgreSQL and Valkey, and what ``make run`` and ``make test`` start.

It runs before the settings load and therefore imports no Django.
"""
