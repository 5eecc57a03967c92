"""From the command line to the window, without the core knowing Qt: the window is looked up by its name.

Its folder comes first in this process, so that no other package called ``app`` is taken for it.
"""

from __future__ import annotations

import ctypes
import importlib
import os
import sys
from collections.abc import Sequence

from nnpcore.installation import HOUSE

WINDOW = "app.main"
"""Module with ``main(arguments) -> exit status``; loaded only when a window is wanted."""

NO_DISPLAY_NEEDED = ("offscreen", "minimal", "vnc")


def open_window(arguments: Sequence[str]) -> int:
    """Open the window and return its exit status; 1 and one line where there is no display."""
    if "--info" in arguments and not has_display(os.environ, sys.platform):
        os.environ["QT_QPA_PLATFORM"] = "offscreen"
    missing = "" if has_display(os.environ, sys.platform) else "There is no display for the window"
    if missing or (missing := deaf_display(os.environ, sys.platform)):
        twin = f"{program()} demo --headless -o DIR"
        print(f"{missing}. The same without one: {twin}", file=sys.stderr)
        return 1
    sys.path.insert(0, str(HOUSE))
    return int(importlib.import_module(WINDOW).main(list(arguments)) or 0)


def has_display(environment: os._Environ[str] | dict[str, str], platform: str) -> bool:
    """Whether a window can be shown: a display is named, or Qt is told to do without one."""
    if not platform.startswith("linux"):
        return True
    if environment.get("QT_QPA_PLATFORM", "").partition(":")[0] in NO_DISPLAY_NEEDED:
        return True
    return bool(environment.get("DISPLAY") or environment.get("WAYLAND_DISPLAY"))


def deaf_display(environment: os._Environ[str] | dict[str, str], platform: str) -> str:
    """Say that the display that is named does not answer, of which Qt would die; empty where it does."""
    name = environment.get("DISPLAY", "")
    named_otherwise = environment.get("QT_QPA_PLATFORM") or environment.get("WAYLAND_DISPLAY")
    if not platform.startswith("linux") or not name or named_otherwise:
        return ""
    try:
        library = ctypes.CDLL("libxcb.so.1")
    except OSError:
        return ""  # Qt will say what is missing
    library.xcb_connect.restype = ctypes.c_void_p
    connection = ctypes.c_void_p(library.xcb_connect(name.encode(), None))
    deaf = library.xcb_connection_has_error(connection)
    library.xcb_disconnect(connection)
    return f"The display {name} for the window does not answer" if deaf else ""


def program() -> str:
    """How this program was called, so that a line naming it can be typed as it stands."""
    called = sys.argv[0] if sys.argv else ""
    return called if os.path.basename(called) == "eatlas" and not os.path.isabs(called) else "eatlas"
