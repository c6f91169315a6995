"""What the cells of a study say together: comparison, answer, report, files."""
