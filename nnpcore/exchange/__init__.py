"""Potentials of other programs, in and out."""
