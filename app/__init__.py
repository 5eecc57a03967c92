"""The Eatlas window."""

from app.overrides import hold_errors

hold_errors()
