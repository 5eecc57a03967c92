"""ASE calculator of a potential: energies, forces and stress with the ensemble's spread."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator, PropertyNotImplementedError, all_changes
from ase.outputs import Properties, all_outputs

from nnpcore.potential.ensemble import Ensemble
from nnpcore.potential.model import AtomicEnergyModel
from nnpcore.potential.prediction import Prediction
from nnpcore.potential.spread_factors import SpreadFactors, with_factors
from nnpcore.structures.changes import changes_between
from nnpcore.structures.frame import Frame

if TYPE_CHECKING:
    from nnpcore.potential.stepping import Stepping


_VOIGT = ([0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1])


class EatlasCalculator(Calculator):
    """Calculator for ASE's optimisers, filters and dynamics; results are the ensemble's mean.

    Besides ASE's properties, ``results`` holds the spreads over the members, shaped as their means:
    ``energy_std``, ``energies_std``, ``forces_std`` and ``stress_std``. There is a stress only for cells
    that are periodic in all three directions.

    Parameters
    ----------
    potential : the potential, kept, not copied.
    device : "cpu", "auto" or a torch device such as "cuda".
    n_threads : threads of the CPU path; None for all cores.
    factors : by what spreads are multiplied, such as those that a run keeps
        (``RunFolder.open(run).spread_factors()``); None leaves them as they are.
    """

    implemented_properties = ["energy", "free_energy", "forces", "stress", "energies"]  # noqa: RUF012 (ASE's)
    ignored_changes = {"initial_charges", "initial_magmoms"}  # noqa: RUF012 (ASE's)

    def __init__(
        self,
        potential: AtomicEnergyModel,
        device: str = "cpu",
        n_threads: int | None = None,
        factors: SpreadFactors | None = None,
    ) -> None:
        super().__init__()
        self.potential = potential
        self.factors = factors
        self.device = device
        self.n_threads = n_threads
        self._stepping: Stepping | None = None

    def calculate(
        self, atoms: Atoms | None = None, properties: Any = ("energy",), system_changes: Any = all_changes
    ) -> None:
        """Fill ``results``; raise :class:`PotentialError` for an element the potential does not know."""
        super().calculate(atoms, properties, system_changes)
        assert self.atoms is not None
        frame = Frame.from_atoms(self.atoms)
        periodic = bool(frame.pbc.all()) and frame.volume > 0
        if "stress" in properties and not periodic:
            raise PropertyNotImplementedError("stress needs a cell that is periodic in all three directions")
        prediction = self._predict(frame, periodic)
        if self.factors is not None:
            prediction = with_factors(prediction, self.factors)
        energies, stresses = prediction.atomic_energies_members, prediction.stress_members
        parts = [prediction.energy_members, energies]
        if stresses is not None:
            parts.append(stresses[:, 0, *_VOIGT])
        members = np.concatenate(parts, axis=1)
        n, mean, spread = energies.shape[1], members.mean(axis=0), members.std(axis=0)
        energy = float(mean[0])
        self.results = {
            "energy": energy,
            "free_energy": energy,
            "energies": mean[1 : n + 1],
            "forces": prediction.forces,
            "energy_std": float(spread[0]),
            "energies_std": spread[1 : n + 1],
            "forces_std": prediction.forces_std,
        }
        if stresses is not None:
            self.results |= {"stress": mean[n + 1 :], "stress_std": spread[n + 1 :]}

    def _predict(self, frame: Frame, stress: bool) -> Prediction:
        """Ask the potential; of an ensemble on the processor what one step can use of the last is kept."""
        from nnpcore.potential.inference import uses_kernels

        if isinstance(self.potential, Ensemble) and uses_kernels(self.device):
            from nnpcore.potential.stepping import Stepping

            if self._stepping is None or self._stepping.potential is not self.potential:
                self._stepping = Stepping(self.potential)
            return self._stepping.predict(frame, stress=stress, n_threads=self.n_threads)
        return self.potential.predict(
            [frame], stress=stress, device=self.device, n_threads=self.n_threads, members=False
        )

    def check_state(self, atoms: Atoms, tol: float = 1e-15) -> list[str]:
        """What of the structure has changed since the last results, exactly."""
        return changes_between(self.atoms, atoms)

    def export_properties(self) -> Properties:
        """Return the results that ASE knows by name (the spreads are not among them)."""
        return Properties({name: v for name, v in self.results.items() if name in all_outputs})
