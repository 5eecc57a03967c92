"""The site of the documentation, by ``make docs``: these pages and the reference of the public names."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import nnpcore

if TYPE_CHECKING:
    from sphinx.application import Sphinx

project = "Eatlas"
author = "Eatlas contributors"
project_copyright = "2026, Eatlas contributors"
release = version = nnpcore.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc"]
myst_heading_anchors = 3
html_theme = "furo"
html_title = "Eatlas"
html_logo = html_favicon = "../resources/icons/eatlas.svg"
html_copy_source = False

autodoc_default_options = {"members": True, "imported-members": True}
autodoc_class_signature = "mixed"
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
python_use_unqualified_type_names = True
maximum_signature_line_length = 90


def in_sections(
    _app: Sphinx, _what: str, _name: str, _object: object, _options: object, lines: list[str]
) -> None:
    """Set the sections of a docstring (Parameters, Attributes, Raises) as lists: ``name : what it is``."""
    text = re.sub(r"(?s)``.*?``|\|", lambda m: r"\|" if m[0] == "|" else m[0], "\n".join(lines))
    lines[:] = re.sub(r"^(\w+)\n-{3,}\n((?:.+\n?)+)", _as_list, text, flags=re.MULTILINE).splitlines()


def _as_list(section: re.Match[str]) -> str:
    title, entries = section.groups()
    if title in ("Returns", "Yields"):
        return f"**{title}:** {' '.join(entries.split())}\n"
    named = re.sub(r"^(\S.*?)(?: : |\n\s+)", r"- ``\1``: ", entries, flags=re.MULTILINE)
    return f"**{title}**\n\n" + re.sub(r"^\s+", "  ", named, flags=re.MULTILINE)


_described: set[object] = set()


def said_before(
    _app: Sphinx, what: str, _name: str, member: object, _skip: bool, _options: object
) -> bool | None:
    """Leave out a name that stands under another room already."""
    if what != "module" or not isinstance(member, type):
        return None
    known = member in _described
    _described.add(member)
    return known or None


def setup(app: Sphinx) -> None:
    """Called by Sphinx."""
    app.connect("autodoc-skip-member", said_before)
    app.connect("autodoc-process-docstring", in_sections)
