"""Calculators from elsewhere, for background tasks: chosen, started in a process of their own, shared."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from ase.calculators.calculator import Calculator, all_changes

from nnpcore.errors import PotentialError
from nnpcore.progress import Progress
from nnpcore.structures.frame import Frame

if TYPE_CHECKING:
    from nnpcore.potential.external import CalculatorModel, CalculatorSpec
    from nnpcore.potential.prediction import Prediction


@dataclass(frozen=True)
class CalculatorChoice:
    """A reference potential by name, or any ASE calculator by its import path; neither of them: none."""

    reference: str = ""
    spec: CalculatorSpec | None = None

    @property
    def is_none(self) -> bool:
        """Whether no calculator was chosen."""
        return not self.reference and self.spec is None

    def open(self, progress: Progress | None = None) -> Calculator:
        """Return the calculator; close it with :func:`close`. PotentialError where it cannot be made."""
        if self.spec is None:
            from nnpcore.reference import reference_calculator

            return reference_calculator(self.reference)
        from nnpcore.potential.external import CalculatorModel

        model = CalculatorModel(self.spec)
        try:
            model.start(n_threads=1, progress=progress)
        except BaseException:
            model.close()
            raise
        return ProcessCalculator(model, progress)


class ProcessCalculator(Calculator):
    """A calculator that lives in a process of its own, as ASE wants to see it."""

    implemented_properties: ClassVar[list[str]] = [
        "energy", "free_energy", "energies", "forces", "stress",
    ]  # fmt: skip

    def __init__(self, model: CalculatorModel, progress: Progress | None = None) -> None:
        super().__init__()
        self.model, self._progress = model, _quiet(progress)

    def calculate(
        self, atoms: Any = None, properties: Any = ("energy",), system_changes: Any = all_changes
    ) -> None:
        """Ask the process; what it does not give is missing in the results."""
        super().calculate(atoms, properties, system_changes)
        assert self.atoms is not None
        prediction = self.model.predict([Frame.from_atoms(self.atoms)], progress=self._progress)
        energy = float(prediction.energy[0])
        found: dict[str, Any] = {"energy": energy, "free_energy": energy}
        if prediction.forces is not None:
            found["forces"] = prediction.forces
        if prediction.stress is not None and np.isfinite(prediction.stress[0]).all():
            found["stress"] = prediction.stress[0][[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]]
        with contextlib.suppress(PotentialError):  # some give totals only
            found["energies"] = prediction.atomic_energies
        self.results = found

    def learn(self, atoms: Any) -> None:
        """Ask about one structure to see what it gives: the others are taken off what it implements."""
        self.calculate(atoms)
        self.implemented_properties = list(self.results)  # type: ignore[misc]

    def close(self) -> None:
        """End the process."""
        self.model.close()


class _Cancelling(Progress):
    """Cancelled with another progress; does not report."""

    def __init__(self, whole: Progress) -> None:
        super().__init__()
        self._whole = whole

    def check(self) -> None:
        """Raise Cancelled where the other one is cancelled."""
        self._whole.check()


def _quiet(progress: Progress | None) -> Progress | None:
    return None if progress is None else _Cancelling(progress)


def close(calculator: Any) -> None:
    """End a calculator's process where it has one."""
    if isinstance(calculator, ProcessCalculator):
        calculator.close()


class SharedModel:
    """A :class:`CalculatorModel` that several tasks may ask: one question at a time."""

    def __init__(self, model: CalculatorModel) -> None:
        self.model = model
        self._lock = threading.Lock()

    @property
    def name(self) -> str:
        """What to call it."""
        return self.model.name

    @property
    def elements(self) -> tuple[str, ...]:
        """Elements it knows."""
        return self.model.elements

    @property
    def n_members(self) -> int:
        """One."""
        return self.model.n_members

    @property
    def note(self) -> str:
        """What was done to its atomic energies, or empty."""
        return self.model.note

    @property
    def gives_atomic_energies(self) -> bool | None:
        """False where it has turned out to give none."""
        return self.model.gives_atomic_energies

    def predict(self, frames: Sequence[Frame], **options: Any) -> Prediction:
        """Ask about frames; see ``CalculatorModel.predict``."""
        with self._lock:
            return self.model.predict(frames, **options)

    def close(self) -> None:
        """End the process; the next question would start it anew."""
        self.model.close()
