"""Readers of file formats: a new one is a module with a ``Reader``, named once in ``registry.READERS``."""
