"""The one way in which what happened to an account is written: collected, then booked whole."""
