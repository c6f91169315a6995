"""The stream of events: what was committed, told in order and at least once."""
