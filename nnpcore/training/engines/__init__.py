"""Predictions, losses and gradients of all members at once: compiled, or by torch."""
