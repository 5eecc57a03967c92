"""The look a user prefers: appearance, size of texts, digits, colour maps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.look import colormaps, numbers, theme

if TYPE_CHECKING:
    from app.settings import Settings


def use_look(settings: Settings) -> None:
    """Use the look of the settings from now on."""
    colormaps.set_usual(settings.sequential_map, settings.diverging_map)
    digits_changed = numbers.set_further_digits(settings.further_digits)
    theme.set_mode(settings.theme)
    theme.set_text_scale(settings.text_percent / 100)
    if digits_changed:
        theme.signals().changed.emit()
