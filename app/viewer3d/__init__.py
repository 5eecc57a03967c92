"""The structure viewer."""
