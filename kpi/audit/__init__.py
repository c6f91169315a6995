"""The audit trail: what staff did and what risk decided, as an append-only chain of hashes.

Database triggers capture a fact in its own transaction (see the migration ``audit_capture``), so
that no path leaves it out; sealing then gives each record its place in the chain.
"""
