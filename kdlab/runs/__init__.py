"""Runs that last: spec, store, dispatcher, workers."""
