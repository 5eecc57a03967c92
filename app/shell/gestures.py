"""Everything that keys and the mouse do, gathered from where it is bound."""

from __future__ import annotations

from app.shell import tab_order
from app.shell.commands import Commands

MENUS = (("Menu key, right click", "What can be done with a file, a run, a region or a plot"),)


def everything(commands: Commands) -> dict[str, list[tuple[str, str]]]:
    """Return (keys, what they do) by where they do it; loads what binds them."""
    from app.dialogs import form
    from app.panels.structure_panel import FRAME_KEYS
    from app.plots import canvas, legend
    from app.viewer3d.mouse import CLICKS, DRAGS, KEYS, MEASURE_KEYS

    frames = [(name, text) for name, text, _ in FRAME_KEYS.values()]
    keys = [(" or ".join(known.keys), known.text) for known in (*KEYS, *MEASURE_KEYS)]
    return {
        "Everywhere": [*commands.shortcuts(), *tab_order.KEYS, *MENUS],
        "Structure, keys": [*keys, *frames],
        "Structure, mouse": [*((drag.name, drag.text) for drag in DRAGS), *CLICKS],
        "Plots, mouse": [*canvas.GESTURES, *legend.GESTURES],
        "Dialogs": list(form.KEYS),
    }
