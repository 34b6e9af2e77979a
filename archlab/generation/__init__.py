"""Prompts to texts: what a model writes, token by token."""
