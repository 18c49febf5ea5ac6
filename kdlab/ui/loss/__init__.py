"""The Loss page."""
