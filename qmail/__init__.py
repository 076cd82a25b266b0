"""qmail in Python."""
