"""Molecular dynamics by the current potential, drawn live; it stops where an atom leaves what is known."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QMargins, Qt, QTimer
from PySide6.QtWidgets import QDoubleSpinBox, QGridLayout, QPushButton, QVBoxLayout, QWidget

from app.documents.counting import from_one
from app.look.colormaps import map_colors, to_rgb
from app.look.style_sheet import styled
from app.panels.base import Lack, Panel, lacks_run
from app.session.messages import Notification
from app.viewer3d import create_structure_view
from app.viewer3d.color_bar import WIDTH, ColorBar, ColorBarSpec
from app.viewer3d.color_range import UNKNOWN, rounded
from app.widgets.controls import filled, refill
from app.widgets.labels import NoteLabel
from app.widgets.placeholder import Placeholder
from app.widgets.quiet import Number
from nnpcore.units import MEV_PER_EV

if TYPE_CHECKING:
    from app.session.session import Session
    from nnpcore.cure import Look
    from nnpcore.potential.spread_factors import SpreadFactors

TICK_MS = 50
EMPTY = (
    "Press Start to let the current potential move the frame shown. Every atom is watched: the dynamics "
    "stops where one leaves what the training data know, and its frames go into the pool of the cure."
)
NO_RUN = "Train or open a run to explore with its potential."
VALUES = (("Atomic energy", "energies"), ("Spread", "spread"), ("Distance", "distance"))
ENSEMBLES = (("Constant volume", "nvt"), ("Constant pressure", "npt"))
OFF = "never"


class ExplorePanel(Panel):
    """Starts and stops the dynamics, and draws where it is."""

    title = "Explore"
    name = "explore"

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(session, parent)
        self.look: Look | None = None
        self._tops: dict[str, float] = {}
        self._factor = 1.0
        self._build_tools()
        self._build_body()
        self._timer = QTimer(self, interval=TICK_MS)
        self._timer.timeout.connect(self._take)
        session.closing.connect(self._on_closing)
        self.follow(session.cures.changed, session.runs.current_changed, session.data.current_changed)

    @classmethod
    def lacks(cls, session: Session) -> Lack | None:
        """Nothing moves without a potential."""
        run = session.runs.current
        return lacks_run(session, NO_RUN) if run is None or run.potential is None else None

    # building -----------------------------------------------------------------------------------------
    def _build_tools(self) -> None:
        self.temperature = self._number(600.0, 1.0, 20_000.0, " K", 0, "Temperature of the dynamics")
        self.ensemble = self.add_choice("Fixed cell, or a cell that breathes", lambda: None)
        refill(self.ensemble, ENSEMBLES)
        tip = (
            "Stop where an atom's surroundings are farther from the training set than so many times what is "
        )
        tip += "usual between its own frames (all but one atom in a thousand are nearer); 0: never"
        self.distance = self._number(2.0, 0.0, 100.0, " ×", 1, tip)
        self.distance.setPrefix("distance ")
        self.distance.setSpecialValueText(f"distance {OFF}")
        tip = "Stop where the foretold spread of an atom's energy is larger; 0: never"
        self.spread = self._number(0.0, 0.0, 1e5, " meV", 0, tip)
        self.spread.setPrefix("spread ")
        self.spread.setSpecialValueText(f"spread {OFF}")
        tip = "Multiply foretold spreads by the factor that Calibration has kept with the run"
        self.calibrated = self.add_button(tip, text="Calibrated")
        self.calibrated.setCheckable(True)
        self.color_by = self.add_choice("Colour of the atoms", self._recolor)
        refill(self.color_by, VALUES)
        self.start = styled(QPushButton("Start", self), "primary")
        self.start.clicked.connect(lambda _checked=False: self._on_start())
        self.add_tool(self.start)

    def _number(
        self, value: float, low: float, high: float, suffix: str, digits: int, tip: str
    ) -> QDoubleSpinBox:
        box = Number(self)
        box.setRange(low, high)
        box.setDecimals(digits)
        box.setSuffix(suffix)
        box.setValue(value)
        box.setToolTip(tip)
        self.add_tool(box)
        return box

    def _build_body(self) -> None:
        content = QWidget(self)
        self.view = create_structure_view(content)
        self.bar = ColorBar(self.view)
        self.view.set_insets(QMargins(8, 8, WIDTH, 8))
        grid = QGridLayout(self.view)
        grid.setContentsMargins(10, 8, 10, 10)
        grid.setSizeConstraint(QGridLayout.SizeConstraint.SetNoConstraint)
        right = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        grid.addWidget(self.bar, 0, 0, right)
        self.text = NoteLabel(content, lines=8)
        words = filled(QVBoxLayout(), self.text, margins=(8, 2, 8, 4))
        filled(QVBoxLayout(content), (self.view, 1), words)
        self.body = Placeholder(content, self)
        self.set_body(self.body)

    # steering -----------------------------------------------------------------------------------------
    def _on_start(self) -> None:
        from nnpcore.cure import ExploreSettings

        cures = self.session.cures
        if cures.exploring:
            cures.stop_exploring()
            self.start.setEnabled(False)
            return
        self.look, self._tops = None, {}
        factors = self._factors() if self.calibrated.isChecked() else None
        self._factor = 1.0 if factors is None else factors.foretold_energy
        cures.explore(
            ExploreSettings(
                temperature=self.temperature.value(),
                ensemble=self.ensemble.currentData(),
                spread=self.spread.value() or None,
                distance=self.distance.value() or None,
                n_steps=20_000,
            ),
            self._factor,
        )
        if cures.exploring:
            self._timer.start()

    def _factors(self) -> SpreadFactors | None:
        """Return the factors kept with the current run; a message where there are none."""
        session = self.session
        found = session.calibrations.factors_of(session.runs.current)
        if found is not None and found.foretold_energy != 1.0:
            return found
        kept = "calibration" if found is None else "factor of the foretold spread"
        text = "Press Keep factors in the Calibration panel when both spreads are shown there; until then "
        text += "spreads are as they were foretold."
        session.messages.notify(Notification("warning", f"No {kept} is kept with this run", text))
        self.calibrated.setChecked(False)
        return None

    def _take(self) -> None:
        """Draw the latest look, unless the last one is still being drawn."""
        if not self.view.is_drawing:
            look = self.session.cures.take_look()
            if look is not None:
                first, self.look = self.look is None, look
                self.body.set_message("")
                self.view.set_frame(look.frame, self._colors_of(look), keep_view=not first)
                self._mark()
                self.refresh()

    def _mark(self) -> None:
        """Ring the atom at which the dynamics has stopped."""
        found = self.session.cures.exploration
        atom = None if found is None or self.session.cures.exploring else found.atom
        self.view.set_selection(np.array([] if atom is None else [atom], dtype=np.int64))

    def _on_closing(self) -> None:
        """Leave no timer and no drawing behind."""
        self._timer.stop()
        self.session.cures.stop_exploring()
        self.view.close_drawing()

    # what is shown ------------------------------------------------------------------------------------
    def refresh(self) -> None:
        """Say what happens."""
        cures = self.session.cures
        if not cures.exploring:
            self._timer.stop()
            self._take()
            self._mark()
            self.start.setEnabled(True)
        self.start.setText("Stop" if cures.exploring else "Start")
        if self.look is None:
            self.body.set_message("Learning what the training data know…" if cures.exploring else EMPTY)
            return
        times = "" if self._factor == 1.0 else f" Spreads × {self._factor:.2g} (calibrated)."
        self.text.set_text(f"{_facts(self.look)}{times}{self._end_text()}")

    def _end_text(self) -> str:
        found = self.session.cures.exploration
        if found is None or self.session.cures.exploring:
            return ""
        n = len(found.looks)
        why = f"Stopped: {found.reason}." if found.reason else "Ended."
        return from_one(f" {why} {n} frames went into the pool of the cure.")

    def _recolor(self) -> None:
        """Colour the atoms by what is chosen."""
        look = self.look
        if look is not None and self.view.frame is look.frame:
            self.view.set_colors(self._colors_of(look))

    def _colors_of(self, look: Look) -> np.ndarray:
        """Return the atoms' colours by what is chosen; the range only grows while one dynamics runs."""
        kind = self.color_by.currentData()
        values = getattr(look, kind)
        values = np.full(look.frame.n_atoms, np.nan) if values is None else values
        scale, unit = (1.0, "") if kind == "distance" else (MEV_PER_EV, "meV")
        shift = float(np.mean(look.energies)) if kind == "energies" else 0.0
        shown = scale * (values - shift)
        diverging = kind == "energies"
        self._tops[kind] = top = max(self._tops.get(kind, 1e-3), _largest(shown))
        limits = rounded(-top if diverging else 0.0, top, diverging)
        label = "E − mean" if diverging else self.color_by.currentText()
        self.bar.set_spec(ColorBarSpec(label, unit, limits, map_colors(diverging)))
        return to_rgb(shown, limits, diverging, unknown=UNKNOWN)


def _largest(values: np.ndarray) -> float:
    known = np.abs(values[np.isfinite(values)])
    return float(known.max()) if len(known) else 1.0


def _facts(look: Look) -> str:
    parts = [f"{look.time_fs:.0f} fs", f"{look.temperature:.0f} K"]
    if look.distance is not None:
        parts.append(f"farthest atom {look.distance.max():.2f}")
    if look.spread is not None:
        parts.append(f"largest spread {MEV_PER_EV * look.spread.max():.0f} meV")
    return f"{', '.join(parts)}."
