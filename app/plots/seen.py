"""Remembers what was drawn last, so that nothing is drawn twice."""

from __future__ import annotations

_PLAIN = (str, int, float, bool, tuple, type(None))


class Seen:
    """Compares results by identity (they are immutable) and plain values by equality."""

    def __init__(self) -> None:
        self._items: tuple[object, ...] | None = None

    def again(self, *items: object) -> bool:
        """Return whether these are the very things given the last time, and keep them."""
        before, self._items = self._items, items
        return before is not None and len(before) == len(items) and all(map(_same, before, items))

    def forget(self) -> None:
        """Take the next things as new."""
        self._items = None


def _same(one: object, other: object) -> bool:
    return one is other or (isinstance(one, _PLAIN) and type(one) is type(other) and one == other)
