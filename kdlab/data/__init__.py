"""Data sets of the lab: registry, loaders and the script that makes every file again (no torch)."""
