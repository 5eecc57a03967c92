"""A report as one HTML page that needs nothing else: figures, style and text in one file, no script."""

from __future__ import annotations

import base64

from nnpcore.figures.drawing import figure_bytes
from nnpcore.installation import filled
from nnpcore.report.content import LEVELS, Block, Picture, Report

WIDE = 5.5
"""Inches from which a figure keeps its size on a narrow screen and is scrolled instead."""

PIXELS_PER_INCH = 104
"""A figure's letters of 8 to 9 points come out as large as the page's small print."""


def report_html(report: Report) -> str:
    """Return the page: ``resources/templates/report.html``, filled in."""
    about = {"levels": LEVELS, "wide": WIDE, "per_inch": PIXELS_PER_INCH}
    return filled("report.html", report=report, kind=_kind, svg_base64=_svg_base64, **about)


def _kind(block: Block) -> str:
    return type(block).__name__


def _svg_base64(picture: Picture) -> str:
    """Return a figure as an SVG image within the page; it stays on white, in a dark page too."""
    return base64.b64encode(figure_bytes(picture.figure, "svg", outlines=True)).decode()
