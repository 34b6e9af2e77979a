"""Attention over intervals: one operation, dense, in chunks, and as a kernel for TPUs."""
