"""The part of a session that holds the colouring: by what atoms are coloured, and the numbers for it."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from PySide6.QtCore import QObject, Signal

from app.documents.atom_values import AtomValues, array_values, foretold_values, is_scalar, predicted_values
from app.documents.coloring import FRAME_GROUP, LABELS, OLD_KINDS, Coloring
from app.session.data import Data
from app.session.groups import Groups
from app.session.runs import Runs
from app.session.undo import UndoStack
from nnpcore.analyses.eos import EOS
from nnpcore.structures import Role

if TYPE_CHECKING:
    from app.documents.run import RunDocument
    from nnpcore.potential import Prediction
    from nnpcore.structures.frame import Frame

ENERGIES = ("atomic_energy", "reference_error", "run_difference")
MOST_FLOOR = 5.0
"""meV: ranges of energies go down to the run's energy RMSE, or to this where it is larger."""


class SharedColoring(QObject):
    """Every view of atoms follows it; every change can be undone."""

    changed = Signal()

    def __init__(self, data: Data, groups: Groups, runs: Runs, undo: UndoStack) -> None:
        super().__init__()
        self._data, self._groups, self._runs, self._undo = data, groups, runs, undo
        self.current = Coloring()
        self._chosen = False

    def set(self, coloring: Coloring | None = None, **changes: Any) -> None:
        """Colour atoms differently (can be undone), e.g. ``set_coloring(kind="force_error")``."""
        wanted = coloring or replace(self.current, **changes)
        if wanted != self.current:
            self._chosen = True
            kind = LABELS.get(wanted.kind, wanted.kind)
            text = (
                f"colour by {kind[:1].lower()}{kind[1:]}" if wanted.kind != self.current.kind else "colours"
            )
            self._undo.change(text, self._set, self.current, wanted)

    def propose(self, kind: str) -> None:
        """Colour by this unless the user has chosen otherwise (not undone)."""
        if not self._chosen:
            self._set(Coloring(kind=kind))

    def restore(self, values: dict[str, Any]) -> None:
        """Take over a saved colouring (not undone), what is known of it."""
        self._chosen = True
        usual = Coloring()
        known = {field.name: type(getattr(usual, field.name)) for field in fields(Coloring)}
        kept = {n: value for n, value in values.items() if n in known and type(value) is known[n]}
        kind = kept.get("kind", usual.kind)
        kept["kind"] = OLD_KINDS.get(kind, kind)
        self._set(Coloring(**kept))

    def _set(self, coloring: Coloring) -> None:
        self.current = coloring
        self.changed.emit()

    def kinds(self) -> list[tuple[str, str]]:
        """Return the (kind, label) pairs the current frame can be coloured by."""
        frame, current = self._data.frame, self.current.kind
        hidden = set()
        if frame is None or frame.exact_energies is None:
            hidden.add("reference_error")
        if sum(run.potential is not None for run in self._runs.documents.values()) < 2:
            hidden.add("run_difference")
        if not self._groups.can_divide:
            hidden.add(FRAME_GROUP)
        kinds = [(kind, label) for kind, label in LABELS.items() if kind not in hidden or kind == current]
        if frame is not None:
            kinds += [(name, name) for name in sorted(frame.arrays) if is_scalar(frame.arrays[name])]
        return kinds

    def atom_values(self) -> AtomValues | None:
        """Return (values (n_atoms,), label, unit) for the current frame and colouring, or None (elements).

        None also while there is no prediction for this frame yet.
        """
        frame = self._data.frame
        if frame is None or self.current.kind == "element":
            return None
        if self.current.kind not in LABELS:
            return array_values(frame, self.current.kind)
        if self.current.kind in ("region", FRAME_GROUP):
            return None
        if self.current.kind == "foretold":
            return foretold_values(self._runs.foretold)
        shown = self._runs.prediction
        if shown is None:
            return None
        return self.values_of(frame, shown.prediction)

    def values_of(self, frame: Frame, prediction: Prediction) -> AtomValues | None:
        """Return the numbers of any frame by its prediction; None where they are not known of it."""
        other = self.taken_off()
        found = self._runs.prediction_of(other) if other is not None and frame is self._data.frame else None
        minus = None if other is None or found is None else (found.prediction, other.name)
        values = predicted_values(frame, prediction, self.current, self.zero_for(frame), minus)
        if values is None or self.current.kind not in ENERGIES or values.unit != "meV":
            return values
        run = self._runs.current
        rmse = run.best() if run is not None else None
        return values._replace(floor=max(values.floor, min(rmse or 0.0, MOST_FLOOR)))

    def taken_off(self) -> RunDocument | None:
        """Return the run whose atomic energies are taken off, where colours show a difference of runs."""
        if self.current.kind != "run_difference":
            return None
        others = [run for run in self._runs.documents.values() if run is not self._runs.current]
        named = [run for run in others if run.name == self.current.other and run.potential is not None]
        compared = [run for run in others if run.id in self._runs.compared and run.potential is not None]
        able = [run for run in others if run.potential is not None]
        return next(iter([*named, *compared, *able]), None)

    def zero_for(self, frame: Frame) -> float | None:
        """Return the crystal's energy where the frame is made of the crystal's element alone."""
        crystal = next(iter(self._data.of_role(Role.EOS)), None)
        if crystal is None or len(crystal.summary.elements) != 1:
            return None
        element = crystal.frames[0].numbers[0]
        return self.crystal_energy() if np.all(frame.numbers == element) else None

    def crystal_energy(self) -> float | None:
        """Return the crystal's energy per atom (eV) that atomic energies are relative to, or None."""
        run, crystal = self._runs.current, next(iter(self._data.of_role(Role.EOS)), None)
        eos = run.result(EOS) if run else None
        if eos is None or crystal is None or len(crystal.summary.elements) != 1:
            return None
        report = eos.report
        fit = report.reference_fit if self.current.baseline == "reference" else report.mean_fit
        return fit.e0 if fit is not None else None
