"""The atoms of the training set in the plane of two principal components, linked with the viewer."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, cast

import numpy as np
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QWidget

from app.documents.grouping import GROUPING_TEXTS, AtomGroup, atom_groups, divided
from app.documents.point_values import PREDICTED, ValueKind, point_values, value_kinds
from app.look.ink import PAPER_MARKERS
from app.look.numbers import true_minus
from app.panels.base import AnalysisPanel, Drawing, Table
from app.plots.pca_plot import CloudGroup, PcaPlot, marker_of
from app.widgets.controls import refill
from app.widgets.lasso import selection_mode
from nnpcore import figures
from nnpcore.analyses.division import Grouping
from nnpcore.analyses.eos import EOS
from nnpcore.analyses.inputs import ELEMENT_CHOICE
from nnpcore.analyses.pca import MAP_ENERGIES, PCA, AtomMap
from nnpcore.figures.drawing import paper_color

if TYPE_CHECKING:
    from app.session.session import Session
    from nnpcore.structures.frame import Frame

HEADS = {"atomic_energy": "atomic energy (eV)", "atomic_energy_std": "std (eV)", "distance": "distance"}


class PcaPanel(AnalysisPanel[AtomMap]):
    """Points by data set or coloured by a value; click, hover and lasso share the viewer's selection."""

    title = "PCA"
    name = "pca"
    shows = PCA
    no_run = "Start a training to see the surroundings of its atoms here."
    waiting = "The map appears once the training set has been described."

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(session, parent)
        self._known: set[str] = set()
        self.groups: tuple[AtomGroup, ...] = ()
        self.plot = PcaPlot(self)
        self.set_body(self.plot)
        self._build_tools()
        self.plot.point_clicked.connect(self._on_clicked)
        self.plot.point_hovered.connect(self._on_hovered)
        self.plot.background_clicked.connect(lambda: session.selection.select([]))
        self.plot.lassoed.connect(self._on_lassoed)
        session.selection.changed.connect(self._show_selection)
        session.selection.hover_changed.connect(self._show_hovered)
        changes = (session.runs.current_changed, session.runs.removed, session.data.removed)
        self.follow(
            *changes, session.regions.changed, session.visibility.changed, analyses=(PCA, MAP_ENERGIES, EOS)
        )

    def _build_tools(self) -> None:
        self.x_axis = self.add_choice("Component along x", self.refresh, width=64)
        self.y_axis = self.add_choice("Component along y", self.refresh, width=64)
        self.color_by = self.add_choice("Colour of the points", self.refresh, width=104)
        self.element = self.add_choice("Element whose atoms are shown", self._on_element, width=52)
        self.element.hide()
        tip = "Lasso (or hold Shift): select atoms; Ctrl adds, Alt removes"
        lasso = self.plot.canvas.lasso
        toggled = partial(setattr, lasso, "enabled")
        self.lasso = self.add_button(tip, icon="lasso", size=16, toggled=toggled)

    # what is shown ------------------------------------------------------------------------------------
    def whole_groups(self) -> tuple[AtomGroup, ...]:
        """Return the groups of the map before they are divided."""
        run, analysis = self.session.runs.current, self.analysis
        if run is None or analysis is None:
            return ()
        groups = atom_groups(analysis, run.result(MAP_ENERGIES), self.session.data.datasets)
        hidden = self.session.visibility.hidden
        return tuple(group for group in groups if group.dataset_id not in hidden)

    def components(self) -> tuple[int, int]:
        """Return the components along x and y, from 0."""
        return max(self.x_axis.currentIndex(), 0), max(self.y_axis.currentIndex(), 0)

    def refresh(self) -> None:
        """Bring the map up to date."""
        analysis = self.analysis
        if analysis is None:
            self.plot.set_message(self.empty_text())
            self.plot.show_groups([])
            self._seen.forget()
            self._show_tools(False)
            return
        self.plot.set_message("")
        self._show_tools(True)
        groups = self.whole_groups()
        self._fill_tools(analysis, groups)
        x, y = self.components()
        kind = self.value_kind()
        energies = tuple(values for group in groups for values in group.values.values())
        values = (*energies, self.session.coloring.crystal_energy()) if kind else ()
        grouping, labels = self.grouping(), self.session.regions.labels()
        names = tuple((group.name, group.role, group.color_index) for group in groups)
        alone = sum(group.role == "training" for group in groups) == 1
        self.groups = tuple(p for g in groups for p in divided(g, grouping, labels, alone))
        if self._seen.again(analysis.result, names, x, y, kind, grouping, labels, *values):
            return
        shares = analysis.result.explained
        self.plot.set_labels(_axis_text(x, shares), _axis_text(y, shares))
        clouds = [self._cloud_group(number, group) for number, group in enumerate(self.groups)]
        for group, source in zip(clouds, self.groups, strict=True):
            if group.key not in self._known:
                self._known.add(group.key)
                if source.role == "validation":
                    self.plot.legend.set_hidden(group.key, True)
        self.plot.show_groups(clouds, kind.unit if kind else "", kind.diverging if kind else False)
        self._show_selection()

    def _show_tools(self, shown: bool) -> None:
        for tool in (self.x_axis, self.y_axis, self.color_by, self.lasso):
            tool.setVisible(shown)
        self.element.setVisible(shown and self.element.count() > 1)

    def _fill_tools(self, analysis: AtomMap, groups: Sequence[AtomGroup]) -> None:
        n = len(analysis.result.explained)
        components = [(f"PC {k + 1}", k) for k in range(n)]
        refill(self.x_axis, components)
        refill(self.y_axis, components, default=1)
        divisions = self.session.regions.labels().groupings()[1:]
        values = value_kinds(groups, self._frames_of)
        texts = [(GROUPING_TEXTS[kind], kind) for kind in divisions] + [(kind.label, kind) for kind in values]
        refill(self.color_by, [("Data set", None), *texts])
        run = self.session.runs.current
        functions = run.functions if run is not None else None
        known = functions.elements if functions is not None else [analysis.element]
        refill(self.element, [(element, element) for element in known])
        self.element.setCurrentText(analysis.element)
        self.element.setVisible(len(known) > 1)

    def _on_element(self) -> None:
        self.session.analyses.choose(ELEMENT_CHOICE, self.element.currentText())

    def value_kind(self) -> ValueKind | None:
        """Return what the points are coloured by, None: by group."""
        chosen = self.color_by.currentData()
        return chosen if isinstance(chosen, ValueKind) else None

    def grouping(self) -> Grouping:
        """Return what the points are grouped by."""
        chosen = self.color_by.currentData()
        return cast(Grouping, chosen) if isinstance(chosen, str) else "dataset"

    def _frames_of(self, dataset_id: str) -> Sequence[Frame] | None:
        document = self.session.data.datasets.get(dataset_id)
        return document.frames if document is not None else None

    def _values_of(self, group: AtomGroup) -> np.ndarray | None:
        kind = self.value_kind()
        if kind is None:
            return None
        found = point_values(kind, group, self._frames_of, self._energy_zero())
        return np.full(len(group.frame), np.nan) if found is None else found

    def _energy_zero(self) -> float:
        """Return what atomic energies are relative to: the crystal's energy, else the mean of all atoms."""
        crystal = self.session.coloring.crystal_energy()
        if crystal is not None:
            return crystal
        parts = [g.values["atomic_energy"] for g in self.groups if "atomic_energy" in g.values]
        return float(np.concatenate(parts).mean()) if parts else 0.0

    def _cloud_group(self, number: int, group: AtomGroup) -> CloudGroup:
        x, y = self.components()
        scores = group.scores
        return CloudGroup(
            key=f"{group.role}:{group.dataset_id or group.name}:{group.part}",
            name=group.name,
            xy=np.column_stack([_component(scores, x), _component(scores, y)]),
            color=f"series:{group.color_index}",
            marker=self._marker(number, group),
            path=group.path,
            values=None if group.path else self._values_of(group),
            tip=lambda index, number=number: self._tip(number, index),
        )

    def _marker(self, number: int, group: AtomGroup) -> str:
        """Return a marker: validation atoms share their data set's colour, not its marker."""
        if group.path:
            return "o"
        rank = sum(not g.path and g.role != "validation" for g in self.groups[:number])
        return "+" if group.role == "validation" else marker_of(rank)

    def _tip(self, number: int, index: int) -> str:
        if number >= len(self.groups):
            return ""
        group = self.groups[number]
        lines = [f"{group.name}, frame {group.frame[index] + 1}, atom {group.atom[index] + 1}"]
        for kind in PREDICTED:
            values = point_values(kind, group, self._frames_of, self._energy_zero())
            if values is not None:
                value = true_minus(f"{values[index]:.3g}")
                lines.append(f"{kind.label} {value} {kind.unit}")
        return "\n".join(lines)

    # linking ------------------------------------------------------------------------------------------
    def _group(self, key: str) -> AtomGroup | None:
        for shown, group in zip(self.plot.groups, self.groups, strict=False):
            if shown.key == key:
                return group
        return None

    def atom(self, key: str, index: int) -> tuple[str, int, int] | None:
        """Return (data set id, frame, atom) of a point, or None where its data set is not open."""
        group = self._group(key)
        if group is None or group.dataset_id not in self.session.data.datasets:
            return None
        return group.dataset_id, int(group.frame[index]), int(group.atom[index])

    def _on_clicked(self, key: str, index: int, modifiers: Qt.KeyboardModifier) -> None:
        atom = self.atom(key, index)
        if atom is None:
            return
        mode = selection_mode(modifiers)
        if mode == "replace":
            self.session.selection.show_atom(atom)
        else:
            self.session.selection.select([atom], mode)

    def _on_hovered(self, key: str, index: int) -> None:
        self.session.selection.set_hovered(self.atom(key, index) if index >= 0 else None)

    def _on_lassoed(self, polygon: np.ndarray, modifiers: Qt.KeyboardModifier) -> None:
        atoms: list[tuple[str, int, int]] = []
        for key, indices in self.plot.inside(polygon).items():
            group = self._group(key)
            if group is not None and group.dataset_id in self.session.data.datasets:
                frames, numbers = group.frame[indices].tolist(), group.atom[indices].tolist()
                atoms += [(group.dataset_id, f, a) for f, a in zip(frames, numbers, strict=True)]
        self.session.selection.select(atoms, selection_mode(modifiers))

    def _show_selection(self) -> None:
        if self.analysis is None:
            return
        wanted: dict[str, list[int]] = {}
        for dataset_id, frame, atom in self.session.selection.current.atoms:
            wanted.setdefault(dataset_id, []).append(_code(frame, atom))
        selected = {}
        for shown, group in zip(self.plot.groups, self.groups, strict=False):
            codes = wanted.get(group.dataset_id)
            if codes:
                selected[shown.key] = np.flatnonzero(np.isin(_codes(group), codes))
        self.plot.show_selected(selected)

    def _show_hovered(self) -> None:
        hovered = self.session.selection.hovered
        self.plot.mark(None)
        if hovered is None or self.analysis is None or not self.isVisible():
            return
        for shown, group in zip(self.plot.groups, self.groups, strict=False):
            if group.dataset_id == hovered.dataset_id and shown.key not in self.plot.legend.hidden:
                at = np.flatnonzero(_codes(group) == _code(hovered.frame, hovered.atom))
                if len(at):
                    self.plot.mark(shown.xy[at[0]])

    # exporting ----------------------------------------------------------------------------------------
    def table_of(self, analysis: AtomMap) -> Table | None:
        """Return all points: group, frame, atom, scores and values."""
        groups = self.groups
        columns: dict[str, list] = {
            "group": [group.name for group in groups for _ in range(len(group.frame))],
            "frame (from 0)": np.concatenate([group.frame for group in groups]).tolist(),
            "atom (from 0)": np.concatenate([group.atom for group in groups]).tolist(),
        }
        for k in range(len(analysis.result.explained)):
            columns[f"PC{k + 1}"] = np.concatenate([_component(g.scores, k) for g in groups]).tolist()
        for kind, head in HEADS.items():
            if any(kind in group.values for group in groups):
                parts = [g.values.get(kind, np.full(len(g.frame), np.nan)) for g in groups]
                columns[head] = np.concatenate(parts).tolist()
        return columns

    def figure_of(self, analysis: AtomMap) -> Drawing | None:
        """Draw the visible groups with matplotlib."""
        x, y = self.components()
        x_text, y_text = _axis_text(x, analysis.result.explained), _axis_text(y, analysis.result.explained)
        kind = self.value_kind()
        label = kind.text if kind else ""
        (left, right), (bottom, top) = self.plot.canvas.view.viewRange()
        window = (left, right, bottom, top)

        groups = [
            figures.PointSeries(g.name, g.xy, paper_color(g.color), PAPER_MARKERS[g.marker], g.path, g.values)
            for g in self.plot.visible_groups()
        ]
        return partial(figures.pca_figure, groups, x_text, y_text, value_label=label, window=window)


def _component(scores: np.ndarray, k: int) -> np.ndarray:
    return scores[:, k] if k < scores.shape[1] else np.zeros(len(scores))


def _axis_text(k: int, shares: np.ndarray) -> str:
    return f"PC {k + 1} ({100 * shares[k]:.0f} %)" if k < len(shares) else f"PC {k + 1}"


def _code(frame: int, atom: int) -> int:
    return (frame << 32) | atom


def _codes(group: AtomGroup) -> np.ndarray:
    return (group.frame.astype(np.int64) << 32) | group.atom.astype(np.int64)
