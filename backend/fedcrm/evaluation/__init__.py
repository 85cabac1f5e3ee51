"""Holding methods against each other: metrics, baselines, the demo's table."""
