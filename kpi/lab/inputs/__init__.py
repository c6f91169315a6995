"""What a study asks for and reads: its file, prices, accounts, and what they came from."""
