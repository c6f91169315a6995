"""Accounts below the threshold: found, closed out, and their deficits covered."""
