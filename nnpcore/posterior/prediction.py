"""What the mean of a posterior says about structures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nnpcore.descriptors import DescriptorSet, compute_descriptors
from nnpcore.posterior.basis import SparseBasis
from nnpcore.posterior.streaming import batches
from nnpcore.progress import Progress
from nnpcore.structures.frame import Frame
from nnpcore.threads import in_order


@dataclass(frozen=True, eq=False)
class Predicted:
    """What the posterior's mean says about one structure.

    Attributes
    ----------
    atomic_energies : (n_atoms,) eV. forces : (n_atoms, 3) eV/Å. stress : (3, 3) eV/Å³, None without a volume.
    """

    atomic_energies: np.ndarray
    forces: np.ndarray
    stress: np.ndarray | None

    @property
    def energy(self) -> float:
        """Total energy, eV."""
        return float(self.atomic_energies.sum())


def predictions(
    basis: SparseBasis,
    coefficients: np.ndarray,
    zeros: np.ndarray,
    frames: Sequence[Frame],
    n_threads: int | None,
    progress: Progress | None,
) -> list[Predicted]:
    """Return energies, forces and stresses of structures for coefficients (m,) and zeros (n_elements,)."""

    def work(chosen: range) -> list[Predicted]:
        own = [frames[k] for k in chosen]
        d = compute_descriptors(own, basis.functions, n_threads=1)
        energies = basis.features(d.values, d.species) @ coefficients + zeros[d.species]
        gradients = basis.gradients(coefficients, d.values, d.species)
        return [_predicted(d, k, energies, gradients, frame.volume) for k, frame in enumerate(own)]

    found: list[Predicted] = []
    for part in in_order(work, batches(frames), n_threads):
        found += part
        if progress is not None:
            progress.report(len(found) / len(frames), "prediction")
    return found


def _predicted(
    d: DescriptorSet, frame: int, energies: np.ndarray, gradients: np.ndarray, volume: float
) -> Predicted:
    own, part = d.select(frame, frame + 1), slice(*d.frame_start[frame : frame + 2].tolist())
    assert own.derivatives is not None
    centers = np.repeat(np.arange(own.n_atoms), np.diff(own.pair_start))
    moves = np.einsum("pxd,pd->px", own.derivatives, gradients[part][centers])
    forces = np.zeros((own.n_atoms, 3))
    np.add.at(forces, centers, moves)
    np.subtract.at(forces, own.pair_neighbor, moves)
    virial = own.pair_vector.T @ moves
    stress = (virial + virial.T) / (2 * volume) if volume > 0 else None
    return Predicted(energies[part], forces, stress)
