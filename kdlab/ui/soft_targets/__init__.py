"""The Soft targets page."""
