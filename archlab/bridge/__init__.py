"""Weights and settings of Hugging Face models, both ways; safetensors alone, no remote code."""
