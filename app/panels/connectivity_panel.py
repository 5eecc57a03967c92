"""How well groups of atoms hang together in G space: one sea of points, or islands whose offsets cancel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtWidgets import QMenu, QVBoxLayout, QWidget

from app.documents.grouping import GROUPING_TEXTS, color_of
from app.documents.run import run_inks
from app.panels.base import AnalysisPanel, Drawing, Table
from app.plots.connectivity_plot import MatrixView, Pair, PairBars
from app.widgets.controls import filled, refill
from app.widgets.labels import NoteLabel
from app.widgets.placeholder import Placeholder
from nnpcore import figures
from nnpcore.analyses.connectivity import CONNECTIVITY, Connections
from nnpcore.analyses.inputs import CHOSEN_GROUPS, GROUPING, TRAINING, VALIDATION
from nnpcore.figures.drawing import paper_color
from nnpcore.figures.tables import connectivity_table

if TYPE_CHECKING:
    from app.documents.dataset import DatasetDocument
    from app.documents.run import RunDocument
    from app.session.session import Session

MIN_GROUPS = 2


class ConnectivityPanel(AnalysisPanel[Connections]):
    """A matrix between the chosen groups; the weakest link is framed and named."""

    title = "Connectivity"
    name = "connectivity"
    shows = CONNECTIVITY
    no_run = "Start a training to see how well its groups of atoms are connected."
    waiting = "The matrix appears once the training set has been described."

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(session, parent)
        body = QWidget(self)
        self.matrix = MatrixView(body)
        self.matrix.cell_clicked.connect(self._on_cell)
        self.text = NoteLabel(body, "text")
        self.bars = PairBars(body)
        self.bars.hide()
        parts = (self.matrix, 1), (self.bars, 1), self.text
        filled(QVBoxLayout(body), *parts, margins=(8, 0, 8, 4), spacing=2)
        self.body = Placeholder(body, self)
        self.set_body(self.body)
        self.menu = QMenu(self)
        self.grouping = self.add_choice("What the atoms are grouped by", self._on_grouping)
        tip = "Choose the groups that are compared"
        self.groups = self.add_button(tip, text="Groups ▾", menu=self.menu)
        runs, data = session.runs, session.data
        changes = (runs.current_changed, runs.removed, runs.comparison_changed, data.removed, data.added)
        self.follow(
            *changes, session.regions.changed, session.groups.changed, analyses=(CONNECTIVITY,), compared=True
        )

    def compared(self) -> list[tuple[RunDocument, Connections]]:
        """Return the runs shown whose result is grouped as the current one's, the current one first."""
        known = [(run, run.result(CONNECTIVITY)) for run in self.session.runs.shown()]
        mine = self.analysis
        return [(run, a) for run, a in known if a is not None and mine and a.grouping == mine.grouping]

    def refresh(self) -> None:
        """Bring matrix or bars, text and menus up to date."""
        analysis = self.analysis
        self.groups.setVisible(analysis is not None)
        self._fill_groupings()
        if analysis is None:
            self.body.set_message(self.empty_text())
            return
        self.body.set_message("")
        found = self.compared()
        self.matrix.setVisible(len(found) == 1)
        self.bars.setVisible(len(found) > 1)
        if len(found) > 1:
            self._show_bars(found)
        else:
            self._show_matrix(analysis)
        self._fill_menu(analysis)

    def _show_matrix(self, analysis: Connections) -> None:
        result = analysis.result
        colors = [f"series:{index}" for index in group_colors(analysis, self.session.data.datasets)]
        weakest = weakest_pair(result.matrix)
        self.matrix.set_matrix(result.names, result.matrix, colors, marked=weakest, tips=_tips(analysis))
        self.text.set_text(weakest_text(analysis), "text", tip=result.text)

    def _show_bars(self, found: list[tuple[RunDocument, Connections]]) -> None:
        runs = [run for run, _ in found]
        inks = run_inks(runs, self.session.data.datasets)
        pairs = common_pairs(found, self.session.data.datasets)
        self.bars.show_pairs(pairs, [run.name for run in runs], inks)
        self.text.set_text(comparison_text(pairs, [run.name for run in runs]), "text")

    def _fill_groupings(self) -> None:
        wanted = self.session.regions.labels().groupings()
        refill(self.grouping, [(f"By {GROUPING_TEXTS[kind].lower()}", kind) for kind in wanted])
        chosen = self.session.analyses.chosen(GROUPING) or "dataset"
        self.grouping.setCurrentIndex(max(self.grouping.findData(chosen), 0))
        self.grouping.setVisible(len(wanted) > 1 and self.analysis is not None)

    def look_at(self, what: str) -> None:
        """Group the atoms by "region", "temperature" or "dataset"."""
        if what != self.session.analyses.chosen(GROUPING):
            self.session.analyses.choose(GROUPING, what)
            self.session.analyses.choose(CHOSEN_GROUPS, None)

    def _on_grouping(self) -> None:
        self.session.analyses.choose(GROUPING, self.grouping.currentData())
        self.session.analyses.choose(CHOSEN_GROUPS, None)

    def _fill_menu(self, analysis: Connections) -> None:
        shown = [(action.text(), action.isChecked()) for action in self.menu.actions()]
        wanted = [(name, name in analysis.result.names) for name in analysis.available]
        if shown == wanted:
            return
        self.menu.clear()
        for name, checked in wanted:
            action = self.menu.addAction(name)
            action.setCheckable(True)
            action.setChecked(checked)
            action.toggled.connect(self._on_groups)

    def chosen_groups(self) -> tuple[str, ...]:
        """Return the groups ticked in the menu."""
        return tuple(action.text() for action in self.menu.actions() if action.isChecked())

    def _on_groups(self) -> None:
        chosen = self.chosen_groups()
        if len(chosen) >= MIN_GROUPS:
            self.session.analyses.choose(CHOSEN_GROUPS, chosen)
        else:
            self.text.set_text("Choose at least two groups.", "warning")

    def _on_cell(self, row: int, column: int) -> None:
        """Select the two atoms at the ends of a pair's weakest link."""
        analysis = self.analysis
        if analysis is None:
            return
        link = analysis.result.links.get((min(row, column), max(row, column)))
        if link is None:
            return
        atoms = []
        for group, index in zip(link.groups, link.indices, strict=True):
            mine = analysis.groups[group].atoms
            atoms.append((mine.key, int(mine.frame[index]), int(mine.atom[index])))
        known = [atom for atom in atoms if atom[0] in self.session.data.datasets]
        if known:
            self.session.data.show(known[0][0], known[0][1])
            self.session.selection.select(known)

    # exporting ----------------------------------------------------------------------------------------
    def table_of(self, analysis: Connections) -> Table | None:
        """Return every pair with its connectivity and weakest link."""
        found = self.compared()
        if not found:
            return None
        if len(found) == 1:
            return connectivity_table(analysis.result)
        pairs = common_pairs(found, self.session.data.datasets)
        columns: dict[str, list] = {
            "group A": [pair.names[0] for pair in pairs],
            "group B": [pair.names[1] for pair in pairs],
        }
        return columns | {run.name: [p.values[k] for p in pairs] for k, (run, _) in enumerate(found)}

    def figure_of(self, analysis: Connections) -> Drawing | None:
        """Draw the matrix with matplotlib."""
        found = self.compared()
        if len(found) > 1:
            datasets = self.session.data.datasets
            return _bars(found, datasets, run_inks([run for run, _ in found], datasets))
        result = analysis.result
        inks = [
            paper_color(f"series:{index}") for index in group_colors(analysis, self.session.data.datasets)
        ]
        colors = dict(zip(result.names, inks, strict=True))

        return partial(figures.connectivity_figure, result, colors=colors)


def group_colors(analysis: Connections, datasets: Mapping[str, DatasetDocument]) -> list[int]:
    """Return a palette number for every group: its data set's, or its region's or temperature's."""
    return [
        color_of(group.atoms.key, datasets) if group.color_index is None else group.color_index
        for group in analysis.groups
    ]


def common_pairs(
    found: Sequence[tuple[RunDocument, Connections]], datasets: Mapping[str, DatasetDocument]
) -> list[Pair]:
    """Return the pairs that all runs have, weakest first; where there are none, all pairs of any run."""
    values: dict[tuple[str, str], list[float | None]] = {}
    colors: dict[str, str] = {}
    for number, (_, analysis) in enumerate(found):
        result = analysis.result
        shades = group_colors(analysis, datasets)
        colors |= {n: f"series:{c}" for n, c in zip(result.names, shades, strict=True)}
        for i, j in combinations(range(len(result.names)), 2):
            first, second = sorted((result.names[i], result.names[j]))
            row = values.setdefault((first, second), [None] * len(found))
            row[number] = float(result.matrix[i, j])
    common = {names: row for names, row in values.items() if None not in row} or values
    pairs = [Pair(names, (colors[names[0]], colors[names[1]]), tuple(row)) for names, row in common.items()]
    return sorted(pairs, key=lambda pair: min(v for v in pair.values if v is not None))


def comparison_text(pairs: Sequence[Pair], runs: Sequence[str]) -> str:
    """Return the weakest pair with its number by every run."""
    if not pairs:
        return ""
    parts = [f"{run} {v:.2f}" for run, v in zip(runs, pairs[0].values, strict=True) if v is not None]
    return f"Weakest: {pairs[0].text}, {', '.join(parts)}"


def _bars(
    found: Sequence[tuple[RunDocument, Connections]],
    datasets: Mapping[str, DatasetDocument],
    inks: Sequence[str],
) -> Drawing:
    pairs, names = common_pairs(found, datasets), [run.name for run, _ in found]
    colors = [paper_color(color) for color in inks]
    values = [[pair.values[k] for pair in pairs] for k in range(len(names))]
    return partial(figures.pairs_figure, [pair.text for pair in pairs], names, values, colors)


def weakest_pair(matrix: np.ndarray) -> tuple[int, int] | None:
    """Return (row, column) of the smallest number off the diagonal, or None."""
    values = np.where(np.eye(len(matrix), dtype=bool) | ~np.isfinite(matrix), np.inf, matrix)
    if not np.isfinite(values).any():
        return None
    row, column = np.unravel_index(int(np.argmin(values)), values.shape)
    return int(row), int(column)


def weakest_text(analysis: Connections) -> str:
    """Return the weakest link in one short sentence."""
    result = analysis.result
    pair = weakest_pair(result.matrix)
    if pair is None:
        return ""
    row, column = pair
    value, error = result.matrix[row, column], result.sampling_error[row, column]
    doubt = f" ± {error:.2f}" if error >= 0.005 else ""
    return f"Weakest link: {result.names[row]} – {result.names[column]}, {value:.2f}{doubt}"


def _tips(analysis: Connections) -> dict[tuple[int, int], str]:
    result = analysis.result
    names, tips = result.names, {}
    for (i, j), link in result.links.items():
        head = f"{names[i]} – {names[j]}" if i != j else f"{names[i]}, within itself"
        error = result.sampling_error[i, j]
        doubt = f" ± {error:.3f} by which atoms were drawn" if error > 0.0 else ""
        counted = "\n".join(_counted(analysis, k) for k in dict.fromkeys((i, j)))
        text = (
            f"{head}\n{counted}\nconnectivity {link.connectivity:.3f}{doubt}\n"
            f"weakest link {link.bottleneck:.2f} long, usual distance {link.median_core:.2f}\n"
            "Click to see the two atoms at its ends"
        )
        tips[i, j] = tips[j, i] = text
    return tips


def _counted(analysis: Connections, k: int) -> str:
    """Return how many atoms a group has, and which: a file that is trained on is here without validation."""
    result, role = analysis.result, analysis.groups[k].atoms.role
    n, used = int(result.n_points[k]), int(result.n_used[k])
    frames = {TRAINING: ", of its training frames", VALIDATION: ", of its validation frames"}.get(role, "")
    drawn = f", {used} of them drawn at random" if used < n else ""
    return f"{result.names[k]}: {n} atoms{frames}{drawn}"
