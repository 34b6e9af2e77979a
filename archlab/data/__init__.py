"""Text to `Batch`: sources, vocabulary, objectives, tasks, order, packing. Knows no model."""
