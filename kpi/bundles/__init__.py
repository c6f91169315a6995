"""A day in one file: its tables, its policy and its part of the audit trail, each with its hash.

What is read stands in ``tables``, what a bundle is made of in ``export``; ``verification`` checks
one anywhere, without a database.
"""
