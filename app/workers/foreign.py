"""Calculators from elsewhere, for background tasks: chosen, started in a process of their own, shared."""

from __future__ import annotations

import contextlib
import copy
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from ase.calculators.calculator import Calculator
from ase.data import chemical_symbols

from nnpcore.potential.external.calculator import opened
from nnpcore.potential.external.model import CalculatorModel, CalculatorSpec, TotalsPrediction
from nnpcore.progress import Progress
from nnpcore.structures.frame import Frame

if TYPE_CHECKING:
    from nnpcore.potential.prediction import Prediction


@dataclass(frozen=True)
class CalculatorChoice:
    """A reference potential by name, or any ASE calculator by its import path; neither of them: none."""

    reference: str = ""
    spec: CalculatorSpec | None = None

    @contextlib.contextmanager
    def opened(self, progress: Progress) -> Iterator[Calculator | None]:
        """Give the calculator, None where none was chosen; PotentialError where it cannot be made."""
        if self.spec is None:
            from nnpcore.reference import reference_calculator

            yield reference_calculator(self.reference) if self.reference else None
            return
        with opened(self.spec, progress) as calculator:
            yield calculator


class SharedModel(CalculatorModel):
    """A calculator that several tasks may ask: one question at a time.

    Each code counts energies from a zero of its own. ``shifts`` (eV by element) are added to the energies of
    the atoms, so that they can be compared with reference data; see :func:`shifts_to`.
    """

    def __init__(
        self, calculator: CalculatorSpec | object, shifts: Mapping[str, float] | None = None
    ) -> None:
        super().__init__(calculator)
        self.shifts = dict(shifts or {})
        self._lock = threading.Lock()

    @property
    def element_energies(self) -> dict[str, float]:
        """The zero of each element's energy, eV."""
        return {element: self.shifts.get(element, 0.0) for element in self.elements}

    def predict(self, frames: Sequence[Frame], **options: Any) -> Prediction:
        """Ask about frames; see ``CalculatorModel.predict``."""
        with self._lock:
            found = super().predict(frames, **options)
        return self._shifted(found, frames) if self.shifts and frames else found

    def _shifted(self, found: Prediction, frames: Sequence[Frame]) -> Prediction:
        table = np.zeros(len(chemical_symbols))
        for element, shift in self.shifts.items():
            table[chemical_symbols.index(element)] = shift
        if not isinstance(found, TotalsPrediction):
            numbers = np.concatenate([frame.numbers for frame in frames])
            return replace(found, atomic_energies_members=found.atomic_energies_members + table[numbers])
        result = copy.copy(found)
        totals = found.energy_members + [table[frame.numbers].sum() for frame in frames]
        object.__setattr__(result, "energy_members", totals)
        return result


def shifts_to(frames: Sequence[Frame], energies: Sequence[float]) -> dict[str, float]:
    """Return the shift of each element, eV, that brings ``energies`` (eV) closest to those of the frames.

    Least squares over the total energies; elements that always come together share their part.
    """
    present = sorted({int(n) for frame in frames for n in np.unique(frame.numbers)})
    counts = np.array([[np.count_nonzero(frame.numbers == n) for n in present] for frame in frames])
    missing = np.array([frame.energy or 0.0 for frame in frames]) - np.asarray(energies)
    found = np.linalg.lstsq(counts.astype(float), missing, rcond=1e-8)[0]
    return {chemical_symbols[n]: float(shift) for n, shift in zip(present, found, strict=True)}


def specs_of(models: Iterable[object]) -> list[dict[str, Any]]:
    """Return the calculators from elsewhere among models, as JSON can keep them."""
    specs = [model.spec for model in models if isinstance(model, SharedModel)]
    return [spec.to_dict() for spec in specs if spec is not None]
