"""Data sets of the lab: registry, loaders and the script that makes every file again (no torch)."""

from pathlib import Path

FILES = Path(__file__).parent / "files"
