"""The atoms of the training set in the plane of two principal components, linked with the viewer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, TypeVar, cast

import numpy as np
from PySide6.QtCore import Qt
from PySide6.QtGui import QFontMetricsF
from PySide6.QtWidgets import QComboBox, QMenu, QWidget

from app.dialogs.groups_menu import GroupsTool
from app.documents.grouping import GROUPING_TEXTS, AtomGroup, atom_groups, divided, in_shown_frames
from app.documents.point_values import (
    DISTANCE,
    PREDICTED,
    FramesOf,
    ValueKind,
    component,
    point_values,
    value_kinds,
)
from app.look import colormaps
from app.look.ink import PAPER_MARKERS, font
from app.look.numbers import true_minus
from app.panels.base import AnalysisPanel, Drawing, Table
from app.plots.density_lines import Lines
from app.plots.pca_plot import CloudGroup, Drawn, Meaning, PcaPlot, marker_of
from app.widgets.controls import plain_action, refill
from app.widgets.lasso import selection_mode
from nnpcore import figures
from nnpcore.analyses.division import Grouping
from nnpcore.analyses.eos import EOS
from nnpcore.analyses.inputs import ELEMENT_CHOICE, TEST, VALIDATION
from nnpcore.analyses.pca import MAP_DISTANCES, MAP_ENERGIES, PCA, AtomMap
from nnpcore.figures.drawing import paper_color
from nnpcore.figures.names import column_name
from nnpcore.mapping.density import SHARES

if TYPE_CHECKING:
    from app.session.session import Session
    from nnpcore.structures.frame import Frame

HEADS = {
    "atomic_energy": "atomic energy (eV)",
    "atomic_energy_std": "std (eV)",
    "distance": column_name(DISTANCE.text),
}
Made = TypeVar("Made")
HELD_OUT_MARKERS = {VALIDATION: "+", TEST: "t"}
MANY = 100_000
"""Points of more atoms are put together in the background."""


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
        self._watches_distances = False
        self._turn = 0
        self._wanted = ""
        self._axes_shown = "", ""
        self.groups: tuple[AtomGroup, ...] = ()
        self.plot = PcaPlot(self)
        self.plot.apart, self.plot.lines_apart = self._draw_apart, self._lines_apart
        self.set_body(self.plot)
        self._build_tools()
        self.plot.point_clicked.connect(self._on_clicked)
        self.plot.point_hovered.connect(self._on_hovered)
        self.plot.background_clicked.connect(lambda: session.selection.select([]))
        self.plot.lassoed.connect(self._on_lassoed)
        session.selection.changed.connect(self._show_selection)
        session.selection.hover_changed.connect(self._show_hovered)
        changes = (session.runs.current_changed, session.runs.removed, session.data.removed)
        shown = (PCA, MAP_ENERGIES, MAP_DISTANCES, EOS)
        own = (session.groups.changed, session.data.added)
        self.follow(*changes, session.regions.changed, session.visibility.changed, *own, analyses=shown)

    def _build_tools(self) -> None:
        self.x_axis = self.add_choice("What stands along x", self.refresh, width=78)
        self.y_axis = self.add_choice("What stands along y", self.refresh, width=78)
        self.color_by = self.add_choice("Colour of the points", self.refresh, width=96)
        self.element = self.add_choice("Element whose atoms are shown", self._on_element, width=52)
        self.element.hide()
        self.frame_groups = GroupsTool(self.session, self)
        self.add_tool(self.frame_groups.button)
        self.menu = QMenu(self)
        self.equal = self.menu.addAction("Same scale along both axes")
        self.equal.setCheckable(True)
        self.equal.toggled.connect(self.plot.set_equal)
        shares = ", ".join(f"{100 * share:.0f}" for share in SHARES)
        self.density = self.menu.addAction(f"Density lines around {shares} % of each set's points")
        self.density.setCheckable(True)
        self.density.toggled.connect(self.plot.set_density)
        self.sizes = self.menu.addMenu("Size of the points")
        self.size_kind: ValueKind | None = None
        self.options = self.add_button(
            "Scale of the axes, density lines, size of the points", text="…", menu=self.menu
        )
        tip = "Lasso (or hold Shift): select atoms; Ctrl adds, Alt removes"
        lasso = self.plot.canvas.lasso
        toggled = partial(setattr, lasso, "enabled")
        self.lasso = self.add_button(tip, icon="lasso", size=16, toggled=toggled)

    def look_at(self, what: str) -> None:
        """Colour the points by a value's key or by "region", "temperature" or "dataset"."""
        self._wanted = what
        self.refresh()

    # what is shown ------------------------------------------------------------------------------------
    def whole_groups(self) -> tuple[AtomGroup, ...]:
        """Return the groups of the map before they are divided."""
        run, analysis = self.session.runs.current, self.analysis
        if run is None or analysis is None:
            return ()
        distances, datasets = run.result(MAP_DISTANCES), self.session.data.datasets
        groups = atom_groups(analysis, run.result(MAP_ENERGIES), datasets, distances)
        hidden = self.session.visibility.hidden
        shown = self.session.groups.shown_frames
        seen = [in_shown_frames(g, shown(g.dataset_id)) for g in groups if g.dataset_id not in hidden]
        seen = [group for group in seen if len(group.frame)]
        return tuple(sorted(seen, key=lambda group: group.role == "validation"))  # at first not shown

    def axes(self) -> tuple[ValueKind, ValueKind]:
        """Return what stands along x and y."""
        shares = np.empty(0) if self.analysis is None else self.analysis.result.explained
        kinds = [box.currentData() for box in (self.x_axis, self.y_axis)]
        x, y = (kind if isinstance(kind, ValueKind) else component(k, shares) for k, kind in enumerate(kinds))
        return x, y

    def kinds_shown(self) -> list[ValueKind]:
        """Return every kind of number that is shown: axes, colour and size, each once."""
        kinds = (*self.axes(), self.value_kind(), self.size_kind)
        return list(dict.fromkeys(kind for kind in kinds if kind is not None))

    def refresh(self) -> None:
        """Bring the map up to date."""
        analysis = self.analysis
        if analysis is None:
            self.plot.set_message(self.empty_text())
            self.plot.show_groups([])
            self._turn += 1
            self._seen.forget()
            self._show_tools(False)
            return
        self.plot.set_message("")
        self._show_tools(True)
        groups = self.whole_groups()
        self._fill_tools(analysis, groups)
        self._watch_distances(self.isVisible())
        shown = self.kinds_shown()
        grouping, labels = self.grouping(), self.session.regions.labels()
        names = tuple((group.name, group.role, group.color_index) for group in groups)
        alone = sum(group.role == "training" for group in groups) == 1
        self.groups = tuple(p for g in groups for p in divided(g, grouping, labels, alone))
        looks = self.axes(), self.value_kind(), self.size_kind
        used = self._numbers_used(shown, groups)
        used = [*used, self.session.groups.hidden]
        if self._seen.again(analysis.result, names, looks, grouping, labels, *used):
            return
        count = sum(len(group.frame) for group in self.groups)
        self._turn += 1
        done = partial(self._put, self._turn)
        self._apart(count, "Putting the map together", partial(self._snapshot(), self.groups), done)

    def _numbers_used(self, shown: Sequence[ValueKind], groups: Sequence[AtomGroup]) -> list[object]:
        """Return the arrays and numbers behind what is shown; as long as they stay, nothing has changed."""
        needed = {"reference_error": "atomic_energy"}
        names = {needed.get(kind.kind, kind.kind) for kind in shown}
        arrays = [v for g in groups for name, v in g.values.items() if name in names]
        relative = any(kind.kind == "atomic_energy" for kind in shown)
        return [*arrays, self.session.coloring.crystal_energy() if relative else None]

    def _apart(self, count: int, title: str, work: Callable[[], Made], done: Callable[[Made], None]) -> None:
        """Call ``done(work())``: at once, or of more than :data:`MANY` points in the background."""
        if count <= MANY:
            done(work())
        else:
            key = f"{self.name}:{title}"
            self.session.tasks.run(title, lambda _progress: work(), done, key=key, quiet=True)

    def _draw_apart(self, work: Callable[[], Drawn], done: Callable[[Drawn], None]) -> None:
        count = sum(len(group.xy) for group in self.plot.visible_groups())
        self._apart(count, "Drawing the map", work, done)

    def _lines_apart(self, work: Callable[[], Lines], done: Callable[[Lines], None]) -> None:
        title = "Drawing density lines"
        self.session.tasks.run(title, lambda _progress: work(), done, key=f"{self.name}:{title}", quiet=True)

    def _snapshot(self) -> CloudMaker:
        """Return what is needed to make clouds of groups, without the session."""
        frames = {key: document.frames for key, document in self.session.data.datasets.items()}
        return CloudMaker(self.axes(), self.value_kind(), self.size_kind, frames, self._energy_zero())

    def _put(self, turn: int, clouds: list[CloudGroup]) -> None:
        """Show clouds, unless others are wanted meanwhile."""
        if turn != self._turn or self.analysis is None:
            return
        clouds = [replace(cloud, tip=partial(self._tip, number)) for number, cloud in enumerate(clouds)]
        for cloud, source in zip(clouds, self.groups, strict=True):
            if cloud.key not in self._known:
                self._known.add(cloud.key)
                if source.role == "validation":
                    self.plot.legend.set_hidden(cloud.key, True)
        (x, y), color, size = self.axes(), self.value_kind(), self.size_kind
        self.plot.set_labels(x.text, y.text)
        meaning = Meaning(_meaning(color), color is not None and color.diverging, _meaning(size))
        self.plot.show_groups(clouds, meaning)
        if (x.kind, y.kind) != self._axes_shown:
            self._axes_shown = x.kind, y.kind
            self.plot.show_all()  # a part of other axes says nothing here
        self._show_selection()

    def _watch_distances(self, seen: bool) -> None:
        """Have distances computed while they are shown."""
        wanted = seen and DISTANCE in self.kinds_shown()
        if wanted != self._watches_distances:
            self._watches_distances = wanted
            self.session.analyses.watch(MAP_DISTANCES, self, wanted)

    def _watch(self, seen: bool) -> None:
        super()._watch(seen)
        self._watch_distances(seen)

    def _show_tools(self, shown: bool) -> None:
        for tool in (self.x_axis, self.y_axis, self.color_by, self.options, self.lasso):
            tool.setVisible(shown)
        self.element.setVisible(shown and self.element.count() > 1)

    def _fill_tools(self, analysis: AtomMap, groups: Sequence[AtomGroup]) -> None:
        shares = analysis.result.explained
        values = value_kinds(groups, self._frames_of)
        along = [component(k, shares) for k in range(len(shares))] + values
        for box, default in ((self.x_axis, 0), (self.y_axis, 1)):
            _refill_kinds(box, along, along[min(default, len(along) - 1)])
        divisions = self.session.regions.labels().groupings()[1:]
        texts = [(GROUPING_TEXTS[kind], kind) for kind in divisions] + [(kind.entry, kind) for kind in values]
        refill(self.color_by, [("Data set", None), *texts])
        self._choose_wanted()
        self._fill_sizes(values)
        run = self.session.runs.current
        functions = run.functions if run is not None else None
        known = functions.elements if functions is not None else [analysis.element]
        refill(self.element, [(element, element) for element in known])
        self.element.setCurrentText(analysis.element)
        self.element.setVisible(len(known) > 1)

    def _choose_wanted(self) -> None:
        """Colour by what was asked for, as soon as it is known."""
        if not self._wanted:
            return
        keys = [
            d.kind if isinstance(d, ValueKind) else d or "dataset"
            for d in map(self.color_by.itemData, range(self.color_by.count()))
        ]
        if self._wanted in keys:
            blocked = self.color_by.blockSignals(True)
            self.color_by.setCurrentIndex(keys.index(self._wanted))
            self.color_by.blockSignals(blocked)
            self._wanted = ""

    def _fill_sizes(self, values: Sequence[ValueKind]) -> None:
        wanted = [None, *values]
        if self.size_kind not in wanted:
            self.size_kind = None
        if [action.data() for action in self.sizes.actions()] != wanted:
            self.sizes.clear()
            for kind in wanted:
                text = "All alike" if kind is None else plain_action(kind.entry)
                action = self.sizes.addAction(text, partial(self.choose_size, kind))
                action.setData(kind)
                action.setCheckable(True)
        for action in self.sizes.actions():
            action.setChecked(action.data() == self.size_kind)

    def choose_size(self, kind: ValueKind | None) -> None:
        """Let the size of the points tell a value, None: nothing."""
        self.size_kind = kind
        self.refresh()

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

    def _energy_zero(self) -> float:
        """Return what atomic energies are relative to: the crystal's energy, else the mean of all atoms."""
        crystal = self.session.coloring.crystal_energy()
        if crystal is not None:
            return crystal
        parts = [g.values["atomic_energy"] for g in self.groups if "atomic_energy" in g.values]
        return float(np.concatenate(parts).mean()) if parts else 0.0

    def _tip(self, number: int, index: int) -> str:
        if number >= len(self.groups):
            return ""
        group = self.groups[number]
        lines = [f"{group.name}, frame {group.frame[index] + 1}, atom {group.atom[index] + 1}"]
        one = _only(group, index)
        for kind in dict.fromkeys((*PREDICTED, *self.kinds_shown())):
            values = point_values(kind, one, self._frames_of, self._energy_zero())
            if values is not None:
                value = true_minus(f"{values[0]:.4g}")
                lines.append(f"{kind.label} {value} {kind.unit}".strip())
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
        """Return all points: group, frame (from 0), atom (from 0), components, and every number shown."""
        groups = self.groups
        columns: dict[str, list] = {
            "group": [group.name for group in groups for _ in range(len(group.frame))],
            "frame (from 0)": _joined([group.frame for group in groups]),
            "atom (from 0)": _joined([group.atom for group in groups]),
        }
        for k in range(len(analysis.result.explained)):
            kind = component(k, np.empty(0))
            columns[f"PC{k + 1}"] = self._values_of(kind)
        for name, head in HEADS.items():
            if any(name in group.values for group in groups):
                parts = [g.values.get(name, np.full(len(g.frame), np.nan)) for g in groups]
                columns[head] = _joined(parts)
        for kind in self.kinds_shown():
            if not kind.kind.startswith("pc:") and kind != DISTANCE:
                columns[column_name(kind.text)] = self._values_of(kind)
        return columns

    def _values_of(self, kind: ValueKind) -> list[float]:
        zero = self._energy_zero()
        return _joined([_numbers(kind, group, self._frames_of, zero) for group in self.groups])

    def figure_of(self, analysis: AtomMap) -> Drawing | None:
        """Draw the visible groups with matplotlib, as they are seen."""
        x, y = self.axes()
        kind, size = self.value_kind(), self.size_kind
        (left, right), (bottom, top) = self.plot.canvas.view.viewRange()
        lines = {key: found for key, _, found in self.plot.density}
        groups = [
            figures.PointSeries(
                g.name,
                g.xy,
                paper_color(g.color),
                PAPER_MARKERS[g.marker],
                g.path,
                g.values,
                g.sizes,
                lines.get(g.key, ()),
            )
            for g in self.plot.visible_groups()
        ]
        return partial(
            figures.pca_figure,
            groups,
            x.text,
            y.text,
            value_label=kind.text if kind else "",
            size_label=size.text if size else "",
            window=(left, right, bottom, top),
            limits=self.plot.limits,
            colors=colormaps.map_colors(bool(kind and kind.diverging)),
            equal=self.equal.isChecked(),
        )


@dataclass(frozen=True, eq=False)
class CloudMaker:
    """Makes clouds of groups of atoms; knows all that it takes, so that it works in the background, too."""

    axes: tuple[ValueKind, ValueKind]
    color: ValueKind | None
    size: ValueKind | None
    frames: Mapping[str, Sequence[Frame]]
    energy_zero: float

    def __call__(self, groups: tuple[AtomGroup, ...]) -> list[CloudGroup]:
        """Return a cloud for each group."""
        return [self._cloud(number, groups) for number in range(len(groups))]

    def _cloud(self, number: int, groups: tuple[AtomGroup, ...]) -> CloudGroup:
        group = groups[number]
        x, y = (self._numbers(kind, group) for kind in self.axes)
        return CloudGroup(
            key=f"{group.role}:{group.dataset_id or group.name}:{group.part}",
            name=group.name,
            xy=np.column_stack([x, y]),
            color=f"series:{group.color_index}",
            marker=_marker(number, groups),
            path=group.path,
            values=None if group.path or self.color is None else self._numbers(self.color, group),
            tip=str,
            sizes=None if group.path or self.size is None else self._numbers(self.size, group),
        )

    def _numbers(self, kind: ValueKind, group: AtomGroup) -> np.ndarray:
        return _numbers(kind, group, self.frames.get, self.energy_zero)


def _numbers(kind: ValueKind, group: AtomGroup, frames_of: FramesOf, energy_zero: float) -> np.ndarray:
    found = point_values(kind, group, frames_of, energy_zero)
    return np.full(len(group.frame), np.nan) if found is None else found


def _joined(parts: Sequence[np.ndarray]) -> list:
    """Return all numbers one after the other; none where every file's eye is closed."""
    return np.concatenate(parts).tolist() if parts else []


def _only(group: AtomGroup, index: int) -> AtomGroup:
    """Return one atom of a group."""
    rows = np.array([index])
    values = {name: known[rows] for name, known in group.values.items()}
    parts = {"frame": group.frame[rows], "atom": group.atom[rows], "scores": group.scores[rows]}
    return replace(group, values=values, **parts)


def _marker(number: int, groups: Sequence[AtomGroup]) -> str:
    """Return a marker: atoms of validation and test share their data set's colour, not its marker."""
    group = groups[number]
    if group.path:
        return "o"
    rank = sum(not g.path and g.role not in HELD_OUT_MARKERS for g in groups[:number])
    return HELD_OUT_MARKERS.get(group.role) or marker_of(rank)


def _meaning(kind: ValueKind | None) -> str:
    """Return what stands behind a range in the legend."""
    return "" if kind is None else kind.unit or kind.entry


def _refill_kinds(box: QComboBox, kinds: Sequence[ValueKind], default: ValueKind) -> None:
    """Offer kinds; a component keeps its place though its share of the variance changes."""
    before = box.currentData()
    known = [kind.kind for kind in kinds]
    refill(box, [(kind.entry, kind) for kind in kinds], default)
    if isinstance(before, ValueKind) and before.kind in known:
        box.setCurrentIndex(known.index(before.kind))
    longest = max(QFontMetricsF(font()).horizontalAdvance(kind.entry) for kind in kinds)
    box.view().setMinimumWidth(int(longest) + 32)


def _code(frame: int, atom: int) -> int:
    return (frame << 32) | atom


def _codes(group: AtomGroup) -> np.ndarray:
    return (group.frame.astype(np.int64) << 32) | group.atom.astype(np.int64)
