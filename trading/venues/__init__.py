"""Venues: where orders are filled. The simulated one fills at the mark price by itself."""
