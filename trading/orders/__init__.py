"""What becomes of an order: ticket, decision, fill or rest, cancellation."""
