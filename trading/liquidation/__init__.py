"""Accounts in breach: found, closed out, and their deficits covered."""
