"""The look a user prefers: appearance, size of texts, digits, colour maps."""

from __future__ import annotations

from typing import Protocol

from app.look import colormaps, numbers, theme


class Look(Protocol):
    """The part of the settings that is about the look, as ``app.settings`` explains it."""

    theme: theme.Mode
    text_percent: int
    further_digits: int
    sequential_map: str
    diverging_map: str


def use_look(look: Look) -> None:
    """Use this look from now on."""
    colormaps.set_usual(look.sequential_map, look.diverging_map)
    digits_changed = numbers.set_further_digits(look.further_digits)
    theme.set_mode(look.theme)
    theme.set_text_scale(look.text_percent / 100)
    if digits_changed:
        theme.signals().changed.emit()
