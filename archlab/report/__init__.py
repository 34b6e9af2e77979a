"""Runs to one page: their histories, figures and ledgers. Knows the record and nothing else."""
