"""Teachers and students: catalogue, networks, checkpoints, profile."""
