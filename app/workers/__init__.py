"""Tasks on background threads."""
