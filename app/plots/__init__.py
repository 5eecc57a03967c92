"""Reusable plot widgets."""
