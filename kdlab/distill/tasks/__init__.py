"""Tasks: what a student is asked to do, with its examples, its supervised term and its scores."""
