"""The stream server: one process that tells many clients what is committed."""
