"""The audit trail: what staff did and what risk decided, as an append-only chain of hashes.

Database triggers capture a fact in its own transaction (``kpi/migrations/0002_guards.sql``), so
that no path leaves it out; sealing then gives each record its place in the chain.
"""
