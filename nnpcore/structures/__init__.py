"""Structures: reading, checking, data sets and splits."""
