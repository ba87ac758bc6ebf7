"""Fetches, verifies and lists the files machines boot."""
