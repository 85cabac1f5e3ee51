"""Metadata: packages read, checked, deployed into an org's schema and rows, and given back."""
