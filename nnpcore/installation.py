"""Where the window, the bundled data and the documentation are: in a checkout, or in an installed wheel.

A checkout has ``app``, ``resources`` and ``docs`` beside ``nnpcore``. Other packages have these names, too; a
wheel therefore keeps them in one folder of its own, ``eatlas``, beside ``nnpcore``.
"""

from __future__ import annotations

from pathlib import Path

BESIDE = Path(__file__).resolve().parents[1]
HOUSE = BESIDE / "eatlas" if (BESIDE / "eatlas" / "resources").is_dir() else BESIDE
"""The folder that holds ``app``, ``resources`` and ``docs``."""

RESOURCES, DOCS = HOUSE / "resources", HOUSE / "docs"
