"""Everything that keys and the mouse do, gathered from where it is bound."""

from __future__ import annotations

from app.panels.structure_panel import FRAME_KEYS
from app.shell.commands import Commands
from app.viewer3d.mouse import CLICKS, DRAGS, KEYS, MEASURE_KEYS

PLOTS = (
    ("Drag", "Move what is shown"),
    ("Wheel", "Zoom to the cursor; over an axis, along it alone"),
    ("Double click", "Show everything again"),
    ("Click", "Show the frame of a point, and pick its atom"),
    ("Shift+drag", "Select the atoms inside a loop, in maps (Ctrl adds, Alt removes)"),
)
LISTS = (
    ("Tab, Shift+Tab", "The next and the previous control, in reading order"),
    ("Menu key, right click", "What can be done with a file, a run, a region or a plot"),
)


def everything(commands: Commands) -> dict[str, list[tuple[str, str]]]:
    """Return (keys, what they do) by where they do it."""
    frames = [(name, text) for name, text, _ in FRAME_KEYS.values()]
    keys = [(" or ".join(known.keys), known.text) for known in (*KEYS, *MEASURE_KEYS)]
    return {
        "Everywhere": [*commands.shortcuts(), *LISTS],
        "Structure, keys": [*keys, *frames],
        "Structure, mouse": [*((drag.name, drag.text) for drag in DRAGS), *CLICKS],
        "Plots, mouse": list(PLOTS),
    }
