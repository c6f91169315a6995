"""Alerts: what is measured, when a rule speaks, and who is told."""
