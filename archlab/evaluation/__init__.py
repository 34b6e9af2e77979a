"""Runs to numbers: what models are asked, and how well they do."""
