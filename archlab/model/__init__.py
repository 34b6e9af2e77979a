"""`Batch` to logits: visibility, attention, layers, transformer. Knows no text."""
