"""Apex, executed: a documented subset of the language at API 67 over a local org."""
