"""A run on a page: its controls, its state, its pictures and its verdict."""
