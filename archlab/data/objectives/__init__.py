"""Text to examples: what is hidden of a text, and what is to be said about it."""
