"""Leverage in the console: who is levered how far, what a move of the marks would do, what it did.

docs/leverage.md says what each figure is.
"""
