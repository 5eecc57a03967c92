"""Which Eatlas this is, and where its window, bundled data, texts and documentation are: checkout or wheel.

A checkout has ``app``, ``resources`` and ``docs`` beside ``nnpcore``. Other packages have these names, too; a
wheel therefore keeps them in one folder of its own, ``eatlas``, beside ``nnpcore``.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jinja2 import Environment

VERSION = "0.2.0"

BESIDE = Path(__file__).resolve().parents[1]
HOUSE = BESIDE / "eatlas" if (BESIDE / "eatlas" / "resources").is_dir() else BESIDE
"""The folder that holds ``app``, ``resources`` and ``docs``."""

RESOURCES, DOCS = HOUSE / "resources", HOUSE / "docs"


def filled(name: str, **values: object) -> str:
    """Return a text of ``resources/templates``, its gaps filled in; in ``.html`` the values are escaped."""
    return _environment().get_template(name).render(values)


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

    return Environment(
        loader=FileSystemLoader(RESOURCES / "templates"),
        autoescape=select_autoescape(["html"]),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=StrictUndefined,
    )
