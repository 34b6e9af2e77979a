"""Logits to weights: loss, optimizer, step, checkpoint, loop."""
