"""archlab's training step beside those of others, each in an environment of its own."""
