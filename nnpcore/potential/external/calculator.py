"""A calculator that lives in a process of its own, as ASE wants to see it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np
from ase.calculators.calculator import Calculator, all_changes

from nnpcore.errors import PotentialError
from nnpcore.potential.external.model import CalculatorModel, CalculatorSpec
from nnpcore.progress import Progress
from nnpcore.structures.frame import Frame


class ProcessCalculator(Calculator):
    """A calculator that lives in a process of its own, as ASE wants to see it."""

    implemented_properties: ClassVar[list[str]] = [
        "energy", "free_energy", "energies", "forces", "stress",
    ]  # fmt: skip

    def __init__(self, model: CalculatorModel, progress: Progress) -> None:
        super().__init__()
        self.model, self._progress = model, Progress(within=progress)

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

    @property
    def elements(self) -> tuple[str, ...]:
        """Elements it knows."""
        return self.model.elements

    def learn(self, atoms: Any) -> None:
        """Ask about one structure to see what it gives: the others are taken off what it implements."""
        self.calculate(atoms)
        self.implemented_properties = list(self.results)  # type: ignore[misc]


@contextlib.contextmanager
def opened(
    spec: CalculatorSpec, progress: Progress, n_threads: int | None = 1
) -> Iterator[ProcessCalculator]:
    """Give the calculator in a process that ends with the context; PotentialError where it cannot be made."""
    with CalculatorModel(spec) as model:
        model.start(n_threads=n_threads, progress=progress)
        yield ProcessCalculator(model, progress)
