"""Weights to answers: generation."""
