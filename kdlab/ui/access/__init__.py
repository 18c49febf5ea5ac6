"""The Access page."""
