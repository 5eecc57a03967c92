"""Spares every module's import a look into its source: the bindings search it for what the window never uses.

PySide6 offers other names for Qt's functions (``from __feature__ import snake_case``). To know whether a
module may want them it reads the source of every module that is imported after it, hundreds of them.
"""

from __future__ import annotations

import sys


def look_for_no_features() -> None:
    """Have the bindings take it that no module uses such names.

    Does nothing where another version of them goes about it otherwise.
    """
    import PySide6.QtCore  # noqa: F401

    known = sys.modules.get("shibokensupport.feature")
    if known is not None and hasattr(known, "_mod_uses_pyside"):
        vars(known)["_mod_uses_pyside"] = _uses_pyside


def _uses_pyside(_module: object) -> bool:
    return True  # "uses Qt's own names", which is what modules without features get
