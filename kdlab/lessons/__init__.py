"""What the lab teaches with, as data: starting points, the way through the pages, texts."""
