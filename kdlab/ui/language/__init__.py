"""The Language page."""
