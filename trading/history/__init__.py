"""What was, recomputed from what is recorded: the books and the equity of accounts."""
