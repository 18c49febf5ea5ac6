"""The example on show: which image or text, which teacher, or the visitor's own numbers."""
