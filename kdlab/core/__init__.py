"""The maths that the pages show live, in numpy only."""
