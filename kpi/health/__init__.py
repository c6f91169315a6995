"""Whether the parts of the exchange are there, and for how much of the time they were."""
