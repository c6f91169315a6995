"""The demo exchange: its users, its market, and agents that give it a past."""
