"""Which Eatlas this is, and where its window, bundled data and documentation are: in a checkout or a wheel.

A checkout has ``app``, ``resources`` and ``docs`` beside ``nnpcore``. Other packages have these names, too; a
wheel therefore keeps them in one folder of its own, ``eatlas``, beside ``nnpcore``.
"""

from __future__ import annotations

from pathlib import Path

VERSION = "0.2.0"

BESIDE = Path(__file__).resolve().parents[1]
HOUSE = BESIDE / "eatlas" if (BESIDE / "eatlas" / "resources").is_dir() else BESIDE
"""The folder that holds ``app``, ``resources`` and ``docs``."""

RESOURCES, DOCS = HOUSE / "resources", HOUSE / "docs"
