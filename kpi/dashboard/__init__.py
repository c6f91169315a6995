"""The console's home page: its figures, its cards, its JSON and its frame."""
