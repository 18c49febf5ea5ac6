"""The page Teachers: where teachers and students come from."""
