"""Market steps: prices held to the collar, limit orders filled, accounts closed out."""
