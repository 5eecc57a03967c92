"""The Eatlas window."""
