"""Symmetry functions, their derivatives, whitening."""
