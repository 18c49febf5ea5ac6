"""The Runs page: the list, and two runs beside each other."""
