"""What every app shares and no app owns: exact amounts, errors, locks, turns, versions."""
