"""Predicted against reference values of the frames a run was trained, validated and tested on."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtWidgets import QWidget

from app.documents.grouping import color_of
from app.documents.run import RunDocument
from app.look.numbers import number_text
from app.panels.base import AnalysisPanel, Drawing, Table
from app.plots.parity_plot import ParityPlot, ParityPoints
from nnpcore import figures
from nnpcore.analyses.inputs import TEST, VALIDATION
from nnpcore.analyses.parity import PARITY, Parity, ParityGroup
from nnpcore.figures.drawing import paper_color
from nnpcore.figures.names import PARITY as PARITY_NAMES
from nnpcore.figures.names import column_name
from nnpcore.units import MEV_PER_EV

if TYPE_CHECKING:
    from app.session.session import Session
    from nnpcore.analyses.division import Labels

NO_FRAMES = "Open the files this run was trained on to compare its predictions with them here."
WIDE = 560
REST_SECONDS = 4.0
"""Shortest time between two comparisons while a training runs."""

DENSITY_FROM = 4000
COMPONENTS = ("x", "y", "z")
SHORT_ROLES = {VALIDATION: " (valid)", TEST: " (test)"}
ROLE_MARKERS = {VALIDATION: "s", TEST: "t"}
"""Others are discs."""


UNITS = {"energy": "meV/atom", "force": "eV/Å", "atomic": "meV"}
"""Units of what is compared."""


class ParityPanel(AnalysisPanel[Parity]):
    """Energies, force components, atomic energies; on a sample while training, and only while seen."""

    title = "Parity"
    name = "parity"
    shows = PARITY
    watches = MappingProxyType({"while_training": True, "rest": REST_SECONDS})
    no_run = "Start a training to compare its predictions with the reference here."
    waiting = "Comparing with the reference…"
    first_epoch = "The comparison appears after the first epoch."

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(session, parent)
        self.front = "energy"
        self.plots: dict[str, ParityPlot] = {}
        for kind, unit in UNITS.items():
            self.later(partial(self._add_plot, kind, unit))
        self.later(self._build)
        self.later(self._connect)

    def _add_plot(self, kind: str, unit: str) -> None:
        plot = self.plots[kind] = ParityPlot(*PARITY_NAMES[kind], unit, self)
        plot.point_clicked.connect(lambda key, index, _m: self._on_clicked(kind, key, index))

    def _connect(self) -> None:
        session = self.session
        changes = (session.runs.changed, session.runs.current_changed, session.runs.removed)
        self.follow(*changes, session.data.added, session.groups.changed, analyses=(PARITY,))

    def _build(self) -> None:
        self.set_plots(dict.fromkeys(self.plots.values(), 1), gap=0)
        self.buttons = {
            kind: self.add_button(tip, partial(self.look_at, kind), text=text)
            for kind, text, tip in (
                ("energy", "E", "Energies per atom, the elements' reference energies subtracted"),
                ("force", "F", "Force components"),
                ("atomic", "Eₐₜ", "Atomic energies, where the reference knows them"),
            )
        }
        for button in self.buttons.values():
            button.setCheckable(True)
        tip = "Colour by density where there are many points"
        self.density = self.add_button(tip, text="Density")
        self.density.setCheckable(True)
        self.density.setChecked(True)
        self.density.toggled.connect(lambda _: self.refresh())
        tip = "Colour by the group of the frames: config_type, group or tag"
        self.by_group = self.add_button(tip, text="Groups", toggled=self._on_by_group)

    def look_at(self, what: str) -> None:
        """Show "energy", "force" or "atomic" where there is room for one of them."""
        self.front = what
        self.arrange()

    def _arrange(self) -> None:
        analysis = self.analysis
        kinds = self._kinds(analysis)
        wide = self.width() >= WIDE // 2 * max(len(kinds), 2)
        front = self._front(analysis)
        self.density.setVisible(analysis is not None)
        groups = "group" in self.session.regions.labels().groupings()
        self.by_group.setVisible(analysis is not None and groups)
        for kind, plot in self.plots.items():
            plot.setVisible(kind == front or (wide and kind in kinds))
            self.buttons[kind].setVisible(kind in kinds and not wide)
            self.buttons[kind].setChecked(kind == front)

    def _kinds(self, analysis: Parity | None) -> list[str]:
        return [k for k in self.plots if analysis is not None and (k != "atomic" or _has_atomic(analysis))]

    def _front(self, analysis: Parity | None) -> str:
        """Return what was chosen where it is known, energies otherwise."""
        return self.front if self.front in self._kinds(analysis) else "energy"

    # what is shown ------------------------------------------------------------------------------------
    def refresh(self) -> None:
        """Bring both plots up to date."""
        analysis, run = self.analysis, self.session.runs.current
        self.arrange()
        if analysis is None:
            text = self.no_run if run is None else self._waiting_text(run)
            self.body.set_message(text)
            return
        self.body.set_message("")
        labels = self.session.regions.labels()
        if self._seen.again(analysis, self.density.isChecked(), self.by_group.isChecked(), labels):
            return
        parts = self._parts(analysis)
        for kind in self.plots:
            known = [group for group in parts if len(_pairs(group, kind))]
            groups = [self._points(group, kind) for group in known]
            n_points = sum(len(group.xy) for group in groups)
            self.plots[kind].set_message("" if n_points else f"The frames have no reference {kind}.")
            self.plots[kind].show_groups(groups, self.density.isChecked() and n_points > DENSITY_FROM)

    def _waiting_text(self, run: RunDocument) -> str:
        """Say what is waited for, or what is missing."""
        if run.potential is None:
            return self.first_epoch if run.state.active else f"{run.name} has no potential to compare."
        if not self._has_frames(run):
            return NO_FRAMES
        return run.why(PARITY) or self.waiting

    def _has_frames(self, run: RunDocument) -> bool:
        """Whether some file with the run's frames is open."""
        parts = (*run.train.parts, *run.valid.parts)
        return any(dataset_id in self.session.data.datasets for dataset_id, _ in parts)

    def _on_by_group(self, on: bool) -> None:
        if on:
            self.density.setChecked(False)
        self.refresh()

    def _parts(self, analysis: Parity) -> list[ParityGroup]:
        """Return what stands in the legend: data sets by role, or the groups of frames in these."""
        if not self.by_group.isChecked():
            return list(analysis.groups)
        labels = self.session.regions.labels()
        return [part for group in analysis.groups for part in _by_group(group, labels)]

    def _color(self, group: ParityGroup) -> str:
        groups = self.session.regions.labels().groups
        if self.by_group.isChecked() and group.part in groups:
            return f"series:{groups.index(group.part)}"
        return f"series:{color_of(group.key, self.session.data.datasets)}"

    def _points(self, group: ParityGroup, kind: str) -> ParityPoints:
        xy = _pairs(group, kind)
        rmses = {"energy": group.energy_rmse_mev, "force": group.force_rmse, "atomic": group.atomic_rmse_mev}
        rmse = rmses[kind]

        def tip(index: int) -> str:
            error = xy[index, 1] - xy[index, 0]
            if kind == "energy":
                where = f"{group.name}, frame {group.frames[index] + 1}"
                return f"{where}\nerror {number_text(error, 2)} meV/atom"
            frame, atom = _atom_of(group, kind, index)
            where = f"{group.name}, frame {frame + 1}, atom {atom + 1}"
            if kind == "atomic":
                return f"{where}\nerror {number_text(error, 1)} meV"
            return f"{where}\nF{COMPONENTS[index % 3]} error {number_text(error, 3)} eV/Å"

        return ParityPoints(_key(group), group.name, xy, self._color(group), _marker(group), rmse, tip)

    def _on_clicked(self, kind: str, key: str, index: int) -> None:
        analysis = self.analysis
        group = next((g for g in self._parts(analysis) if _key(g) == key), None) if analysis else None
        if group is None or group.key not in self.session.data.datasets:
            return
        if kind == "energy":
            self.session.data.show(group.key, int(group.frames[index]))
        else:
            self.session.selection.show_atom((group.key, *_atom_of(group, kind, index)))

    # exporting ----------------------------------------------------------------------------------------
    def table_of(self, analysis: Parity) -> Table | None:
        """Return the numbers of the plot in front: energies, force components or atomic energies."""
        groups = analysis.groups
        front = self._front(analysis)
        if front == "energy":
            pairs = MEV_PER_EV * np.concatenate([group.energies for group in groups])
            return {
                "group": [group.name for group in groups for _ in group.frames],
                "frame (from 0)": np.concatenate([group.frames for group in groups]).tolist(),
                column_name(PARITY_NAMES["energy"][0]): pairs[:, 0].tolist(),
                column_name(PARITY_NAMES["energy"][1]): pairs[:, 1].tolist(),
            }
        if front == "atomic":
            pairs = np.concatenate([_pairs(group, "atomic") for group in groups])
            return {
                "group": [group.name for group in groups for _ in group.atomic],
                "frame (from 0)": np.concatenate([group.atomic_frames for group in groups]).tolist(),
                "atom (from 0)": np.concatenate([group.atomic_atoms for group in groups]).tolist(),
                column_name(PARITY_NAMES["atomic"][0]): pairs[:, 0].tolist(),
                column_name(PARITY_NAMES["atomic"][1]): pairs[:, 1].tolist(),
            }
        pairs = np.concatenate([group.forces.reshape(-1, 2) for group in groups])
        return {
            "group": [group.name for group in groups for _ in range(3 * len(group.forces))],
            "frame (from 0)": np.concatenate([np.repeat(group.force_frames, 3) for group in groups]).tolist(),
            "atom (from 0)": np.concatenate([np.repeat(group.force_atoms, 3) for group in groups]).tolist(),
            "component": [c for group in groups for _ in range(len(group.forces)) for c in COMPONENTS],
            column_name(PARITY_NAMES["force"][0]): pairs[:, 0].tolist(),
            column_name(PARITY_NAMES["force"][1]): pairs[:, 1].tolist(),
        }

    def figure_of(self, analysis: Parity) -> Drawing | None:
        """Draw energies, forces and atomic energies with matplotlib."""
        series: dict[str, list[figures.ParitySeries]] = {kind: [] for kind in self.plots}
        for group in self._parts(analysis):
            color, marker = paper_color(self._color(group)), _marker(group)
            for kind, found in series.items():
                xy = _pairs(group, kind)
                found.append(figures.ParitySeries(group.name, xy[:, 0], xy[:, 1], color, marker))
        return partial(figures.parity_figure, *series.values())


def _has_atomic(analysis: Parity) -> bool:
    return any(len(group.atomic) for group in analysis.groups)


def _pairs(group: ParityGroup, kind: str) -> np.ndarray:
    """Return reference and prediction (n, 2) in the plot's unit."""
    if kind == "force":
        return group.forces.reshape(-1, 2)
    return MEV_PER_EV * (group.energies if kind == "energy" else group.atomic)


def _atom_of(group: ParityGroup, kind: str, index: int) -> tuple[int, int]:
    """Return frame and atom of a point."""
    if kind == "atomic":
        return int(group.atomic_frames[index]), int(group.atomic_atoms[index])
    return int(group.force_frames[index // 3]), int(group.force_atoms[index // 3])


def _key(group: ParityGroup) -> str:
    return f"{group.role}:{group.key}" + (f":{group.part}" if group.part else "")


def _by_group(group: ParityGroup, labels: Labels) -> list[ParityGroup]:
    """Divide what was compared by the groups of its frames; by itself where these are of one."""
    rows = {
        name: {part.name: part.rows for part in labels.parts("group", group.key, frames, frames)}
        for name, frames in (
            ("frames", group.frames),
            ("forces", group.force_frames),
            ("atomic", group.atomic_frames),
        )
    }
    names = dict.fromkeys(name for own in rows.values() for name in own)
    none = np.arange(0)

    def of(name: str) -> ParityGroup:
        energies, forces, atomic = (own.get(name, none) for own in rows.values())
        return replace(
            group,
            name=f"{name}{SHORT_ROLES.get(group.role, '')}",
            part=name,
            frames=group.frames[energies],
            energies=group.energies[energies],
            force_frames=group.force_frames[forces],
            force_atoms=group.force_atoms[forces],
            forces=group.forces[forces],
            atomic_frames=group.atomic_frames[atomic],
            atomic_atoms=group.atomic_atoms[atomic],
            atomic=group.atomic[atomic],
        )

    return [of(name) for name in names] or [group]


def _marker(group: ParityGroup) -> str:
    return ROLE_MARKERS.get(group.role, "o")
