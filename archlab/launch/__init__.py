"""A run, started where the machines are."""
