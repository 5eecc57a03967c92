"""Data sets, icons and presets that ship with Eatlas."""
