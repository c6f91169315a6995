"""Reads an environment variable; the launcher, which knows no Django, asks here too."""

import os


def text(name: str, *, default: str = "") -> str:
    """Return a variable without the blanks around it, or ``default`` where nothing is left."""
    return os.environ.get(name, "").strip() or default
