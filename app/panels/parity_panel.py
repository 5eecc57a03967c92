"""Predicted against reference energies and forces of the frames a run was trained and validated on."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QTimer
from PySide6.QtGui import QHideEvent, QResizeEvent, QShowEvent
from PySide6.QtWidgets import QHBoxLayout, QToolButton, QWidget

from app.documents.parity import ParityAnalysis, ParityGroup
from app.documents.run import RunDocument
from app.look.numbers import number_text
from app.panels.base import Panel, Table, by_width
from app.plots.parity_plot import ParityPlot, ParityPoints
from app.widgets.controls import tool_button
from app.widgets.placeholder import Placeholder
from app.widgets.redraw import Seen, Throttle
from app.workers.parity import ParitySource, parity, thinned
from nnpcore import figures
from nnpcore.figures.drawing import paper_color
from nnpcore.units import MEV_PER_EV

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from app.session.session import Session

EMPTY = "Start a training to compare its predictions with the reference here."
WAITING = "The comparison appears after the first epoch."
NO_FRAMES = "Open the files this run was trained on to compare its predictions with them here."
WIDE = 560
MOST_FRAMES, MOST_LIVE_FRAMES = 400, 30
REST_SECONDS = 4.0
"""Shortest time between two comparisons while a training runs."""

DENSITY_FROM = 4000
COMPONENTS = ("x", "y", "z")


class ParityPanel(Panel):
    """Energies and force components; computed while the panel can be seen, on a sample while training."""

    title = "Parity"
    name = "parity"

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(session, parent)
        self._throttle = Throttle(self.refresh, self)
        self._computed: tuple[str, int, bool] | None = None
        self._potential: object = None
        self._started = 0.0
        self._again = QTimer(self)
        self._again.setSingleShot(True)
        self._again.timeout.connect(self.compute)
        self.front = "energy"
        self._seen = Seen()
        self._build()
        session.runs.epoch_finished.connect(self._on_run)
        session.runs.changed.connect(self._on_run)
        for signal in (session.runs.current_changed, session.runs.removed, session.data.added):
            signal.connect(self._on_run)
        self.refresh()

    def _build(self) -> None:
        content = QWidget(self)
        row = QHBoxLayout(content)
        row.setContentsMargins(0, 0, 0, 4)
        row.setSpacing(0)
        self.plots = {
            "energy": ParityPlot("Reference energy (meV/atom)", "Predicted (meV/atom)", "meV/atom", content),
            "force": ParityPlot("Reference force (eV/Å)", "Predicted (eV/Å)", "eV/Å", content),
        }
        for kind, plot in self.plots.items():
            row.addWidget(plot, 1)
            plot.point_clicked.connect(lambda key, index, _m, kind=kind: self._on_clicked(kind, key, index))
        self.body = Placeholder(content, self)
        self.set_body(self.body)
        self.buttons = {
            "energy": self._button("E", "Energies per atom, the elements' reference energies subtracted"),
            "force": self._button("F", "Force components"),
        }
        for kind, button in self.buttons.items():
            button.clicked.connect(lambda _checked=False, kind=kind: self._choose(kind))
        self.density = self._button("Density", "Colour by density where there are many points")
        self.density.setChecked(True)
        self.density.toggled.connect(lambda _: self.refresh())

    def _button(self, text: str, tip: str) -> QToolButton:
        button = tool_button(self, tip, text=text)
        button.setCheckable(True)
        self.add_tool(button)
        return button

    def _choose(self, kind: str) -> None:
        self.front = kind
        self._arrange()

    @by_width
    def _arrange(self) -> None:
        wide, known = self.width() >= WIDE, self.analysis is not None
        self.density.setVisible(known)
        for kind, plot in self.plots.items():
            plot.setVisible(wide or kind == self.front)
            self.buttons[kind].setVisible(known and not wide)
            self.buttons[kind].setChecked(kind == self.front)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Show both plots where there is room."""
        super().resizeEvent(event)
        self._arrange()

    def showEvent(self, event: QShowEvent) -> None:
        """Compare as soon as somebody looks."""
        super().showEvent(event)
        self._on_run()

    def hideEvent(self, event: QHideEvent) -> None:
        """Compute nothing that nobody sees."""
        super().hideEvent(event)
        self._again.stop()

    # computing ----------------------------------------------------------------------------------------
    @property
    def analysis(self) -> ParityAnalysis | None:
        """The current run's comparison."""
        run = self.session.runs.current
        return run.analyses.get("parity") if run is not None else None

    def _on_run(self, *_: object) -> None:
        self._throttle.request()
        if self.isVisible() and not self._again.isActive():
            run = self.session.runs.current
            wait = REST_SECONDS - (time.monotonic() - self._started) if run and run.state.active else 0.0
            self._again.start(max(0, int(1000 * wait)))

    def compute(self) -> None:
        """Start the comparison where the potential has changed since the last one."""
        run = self.session.runs.current
        if run is None or run.potential is None or not self.isVisible():
            return
        live = run.state.active
        wanted = (run.id, len(self.session.data.datasets), live)
        if self._computed == wanted and self._potential is run.potential:
            return
        sources = self._sources(run, MOST_LIVE_FRAMES if live else MOST_FRAMES)
        if not sources:
            return
        self._computed, self._potential, self._started = wanted, run.potential, time.monotonic()
        potential, epoch, run_id = run.potential, run.epoch, run.id
        threads = 1 if live else (self.session.settings.n_threads or None)

        def done(value: ParityAnalysis) -> None:
            if run_id in self.session.runs.documents:
                self.session.runs.documents[run_id].analyses["parity"] = value
                self.session.analyses.changed.emit(run_id, "parity")
                self._throttle.request()

        self.session.tasks.run(
            "Comparing with the reference",
            lambda progress: parity(potential, sources, epoch, threads, progress),
            done,
            key="parity",
            quiet=True,
        )

    def _sources(self, run: RunDocument, most: int) -> list[ParitySource]:
        sources = []
        for role, refs in (("training", run.train), ("validation", run.valid)):
            for dataset_id, indices in refs.parts:
                document = self.session.data.datasets.get(dataset_id)
                if document is None:
                    continue
                chosen = thinned(indices, most)
                frames = tuple(document.frames[i] for i in chosen)
                name = document.name if role == "training" else f"{document.name} (valid)"
                color, n = document.color_index, len(indices)
                sources.append(ParitySource(name, dataset_id, role, color, chosen, frames, n))
        return sources

    # what is shown ------------------------------------------------------------------------------------
    def refresh(self) -> None:
        """Bring both plots up to date."""
        analysis, run = self.analysis, self.session.runs.current
        self._arrange()
        if analysis is None:
            text = EMPTY if run is None else WAITING
            if run is not None and run.potential is not None and not self._sources(run, 1):
                text = NO_FRAMES
            self.body.set_message(text)
            return
        self.body.set_message("")
        if self._seen.again(analysis, self.density.isChecked()):
            return
        energies = [self._energy_points(group) for group in analysis.groups if len(group.energies)]
        forces = [self._force_points(group) for group in analysis.groups if len(group.forces)]
        for kind, groups in (("energy", energies), ("force", forces)):
            n_points = sum(len(group.xy) for group in groups)
            self.plots[kind].set_message("" if n_points else f"The frames have no reference {kind}.")
            self.plots[kind].show_groups(groups, self.density.isChecked() and n_points > DENSITY_FROM)

    def _energy_points(self, group: ParityGroup) -> ParityPoints:
        xy = MEV_PER_EV * group.energies

        def tip(index: int) -> str:
            error = xy[index, 1] - xy[index, 0]
            where = f"{group.name}, frame {group.frames[index]}"
            return f"{where}\nerror {number_text(error, 2)} meV/atom"

        return ParityPoints(_key(group), group.name, xy, *_look(group), group.energy_rmse_mev, tip)

    def _force_points(self, group: ParityGroup) -> ParityPoints:
        xy = group.forces.reshape(-1, 2)

        def tip(index: int) -> str:
            atom, axis = divmod(index, 3)
            error = xy[index, 1] - xy[index, 0]
            where = f"{group.name}, frame {group.force_frames[atom]}, atom {group.force_atoms[atom]}"
            return f"{where}\nF{COMPONENTS[axis]} error {number_text(error, 3)} eV/Å"

        return ParityPoints(_key(group), group.name, xy, *_look(group), group.force_rmse, tip)

    def _on_clicked(self, kind: str, key: str, index: int) -> None:
        analysis = self.analysis
        group = next((g for g in analysis.groups if _key(g) == key), None) if analysis else None
        if group is None or group.dataset_id not in self.session.data.datasets:
            return
        if kind == "energy":
            self.session.data.show(group.dataset_id, int(group.frames[index]))
        else:
            atom = index // 3
            where = (group.dataset_id, int(group.force_frames[atom]), int(group.force_atoms[atom]))
            self.session.selection.show_atom(where)

    # exporting ----------------------------------------------------------------------------------------
    def table(self) -> Table | None:
        """Return the numbers of the plot in front: energies (meV/atom), or force components (eV/Å)."""
        analysis = self.analysis
        if analysis is None:
            return None
        groups = analysis.groups
        if self.front == "energy":
            pairs = MEV_PER_EV * np.concatenate([group.energies for group in groups])
            return {
                "group": [group.name for group in groups for _ in group.frames],
                "frame": np.concatenate([group.frames for group in groups]).tolist(),
                "reference energy (meV/atom)": pairs[:, 0].tolist(),
                "predicted energy (meV/atom)": pairs[:, 1].tolist(),
            }
        pairs = np.concatenate([group.forces.reshape(-1, 2) for group in groups])
        return {
            "group": [group.name for group in groups for _ in range(3 * len(group.forces))],
            "frame": np.concatenate([np.repeat(group.force_frames, 3) for group in groups]).tolist(),
            "atom": np.concatenate([np.repeat(group.force_atoms, 3) for group in groups]).tolist(),
            "component": [c for group in groups for _ in range(len(group.forces)) for c in COMPONENTS],
            "reference force (eV/Å)": pairs[:, 0].tolist(),
            "predicted force (eV/Å)": pairs[:, 1].tolist(),
        }

    def figure(self) -> Callable[[], Figure] | None:
        """Draw energies and forces with matplotlib."""
        analysis = self.analysis
        if analysis is None:
            return None

        energies, forces = [], []
        for group in analysis.groups:
            color, marker = paper_color(f"series:{group.color_index}"), _look(group)[1]
            for found, pairs in ((energies, MEV_PER_EV * group.energies), (forces, group.forces)):
                xy = pairs.reshape(-1, 2)
                found.append(figures.ParitySeries(group.name, xy[:, 0], xy[:, 1], color, marker))
        return partial(figures.parity_figure, energies, forces)


def _key(group: ParityGroup) -> str:
    return f"{group.role}:{group.dataset_id}"


def _look(group: ParityGroup) -> tuple[str, str]:
    return f"series:{group.color_index}", "o" if group.role == "training" else "s"
