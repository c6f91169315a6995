"""What every app shares and no app owns: exact amounts, errors, row locks, snapshots, versions."""
