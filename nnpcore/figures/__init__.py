"""Figures and tables of results, for papers: drawn the same by window, report and command line.

Pure functions from results to matplotlib ``Figure`` objects, which :func:`save_figure` writes.
"""

from nnpcore.figures.cure import cure_figure
from nnpcore.figures.drawing import SUFFIXES, figure_bytes, save_figure
from nnpcore.figures.eos import EosSeries, eos_figure
from nnpcore.figures.foretold import foretold_figure
from nnpcore.figures.gspace import connectivity_figure, distance_figure, pairs_figure, reach_figure
from nnpcore.figures.lines import SweepLine, lines_figure, sweep_figure
from nnpcore.figures.points import (
    ParitySeries,
    PointSeries,
    map_figure,
    parity_figure,
    pca_figure,
)
from nnpcore.figures.regions import RegionBar, mapping_figure, region_figure
from nnpcore.figures.rigidity import rigidity_figure
from nnpcore.figures.series import RunCurves
from nnpcore.figures.structure import Scale, bar_room, structure_figure
from nnpcore.figures.style import FigureStyle, StyleSheet, apply_style, read_style
from nnpcore.figures.training import curves_figure, training_figure

__all__ = [
    "SUFFIXES",
    "EosSeries",
    "FigureStyle",
    "ParitySeries",
    "PointSeries",
    "RegionBar",
    "RunCurves",
    "Scale",
    "StyleSheet",
    "SweepLine",
    "apply_style",
    "bar_room",
    "connectivity_figure",
    "cure_figure",
    "curves_figure",
    "distance_figure",
    "eos_figure",
    "figure_bytes",
    "foretold_figure",
    "lines_figure",
    "map_figure",
    "mapping_figure",
    "pairs_figure",
    "parity_figure",
    "pca_figure",
    "reach_figure",
    "read_style",
    "region_figure",
    "rigidity_figure",
    "save_figure",
    "structure_figure",
    "sweep_figure",
    "training_figure",
]
