"""Trees to Python: names found, types checked, text written, in one walk over each body."""
