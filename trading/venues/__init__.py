"""Venues beside the simulated one: orders that are filled elsewhere and booked here."""
