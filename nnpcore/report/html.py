"""A report as one HTML page that needs nothing else: figures, style and text in one file, no script."""

from __future__ import annotations

import base64

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from nnpcore.figures.drawing import figure_bytes
from nnpcore.installation import RESOURCES
from nnpcore.report.content import LEVELS, Picture, Report

WIDE = 5.5
"""Inches from which a figure keeps its size on a narrow screen and is scrolled instead."""

PIXELS_PER_INCH = 104
"""A figure's letters of 8 to 9 points come out as large as the page's small print."""


def report_html(report: Report) -> str:
    """Return the page: ``resources/report/page.html``, filled in."""
    environment = Environment(
        loader=FileSystemLoader(RESOURCES / "report"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.tests["of_kind"] = lambda block, kind: type(block).__name__ == kind
    environment.filters["svg_base64"] = _svg_base64
    page = environment.get_template("page.html")
    return page.render(report=report, levels=LEVELS, wide=WIDE, per_inch=PIXELS_PER_INCH)


def _svg_base64(picture: Picture) -> str:
    """Return a figure as an SVG image within the page; it stays on white, in a dark page too."""
    return base64.b64encode(figure_bytes(picture.figure, "svg", outlines=True)).decode()
