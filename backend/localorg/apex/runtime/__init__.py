"""What a program meets while it runs: its transaction, its data, its jobs, its tests."""
