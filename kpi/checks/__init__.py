"""The regular checks: their findings, and how long ago they were made."""
