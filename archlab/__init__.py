"""archlab: which transformer, trained on which objective, in which order, for a given budget."""

__version__ = "0.1.0"
