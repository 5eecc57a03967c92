"""Pictures shifted by whole pixels, without copying them."""

from __future__ import annotations

Part = tuple[slice, slice]


def shifted(down: int, right: int) -> tuple[Part, Part]:
    """Return where the pixels of a picture go when it is shifted, and whence they come."""
    to = tuple(slice(max(k, 0), min(k, 0) or None) for k in (down, right))
    there = tuple(slice(max(-k, 0), min(-k, 0) or None) for k in (down, right))
    return (to[0], to[1]), (there[0], there[1])
