"""Sweeps: runs of one experiment that differ in a few settings, each with each."""
