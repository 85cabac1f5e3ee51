"""Apex values as Python objects, with the platform's arithmetic, equality, order and text."""
