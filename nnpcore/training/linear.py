"""Linear part under the networks: atomic energies linear in the network inputs, by ridge regression.

The networks then learn only what the linear part leaves. Most of a potential is linear in the inputs; a
network that has to make this up from saturating functions bends where there are no data, at a perfect crystal
for example.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from nnpcore.training.data import FitSet
from nnpcore.training.rows import LossWeights


@dataclass(frozen=True, eq=False)
class LinearPart:
    """Atomic energies ``coefficients[element] . x``; (n_elements, n_inputs) eV, the same for all members."""

    coefficients: np.ndarray

    @classmethod
    def fit(cls, data: FitSet, weights: LossWeights, ridge: float) -> LinearPart:
        """Minimise the loss of ``weights`` plus ``ridge`` times the sum of the squared coefficients (eV²)."""
        n = data.matrix.shape[0] * data.n_inputs
        normal, right = np.zeros((n, n)), np.zeros(n)
        t = data.targets
        for frame in range(data.n_frames):
            energy, forces, virial = _frame_rows(data, frame)
            atoms = slice(*data.descriptors.frame_start[frame : frame + 2])
            n_atoms, volume = int(t.n_atoms[frame]), t.volume[frame]
            parts = (
                (weights.energy * t.has_energy[frame], energy[None] / n_atoms, t.energy[frame] / n_atoms),
                (weights.force * t.has_forces[frame], forces, t.forces[atoms].ravel()),
                (weights.stress * t.has_stress[frame], virial / volume, t.stress[frame].ravel()),
            )
            for weight, rows, wanted in parts:
                if weight:
                    normal += weight * (rows.T @ rows)
                    right += weight * (rows.T @ np.atleast_1d(wanted))
        solution = np.linalg.solve(normal + ridge * np.eye(n), right)
        return cls(solution.reshape(-1, data.n_inputs))

    def as_skip(self, elements: Sequence[str], n_members: int) -> dict[str, np.ndarray]:
        """Return the coefficients as ``NetworkWeights.skip``, the same (n_inputs,) for all members."""
        return {e: np.tile(row, (n_members, 1)) for e, row in zip(elements, self.coefficients, strict=True)}

    def taken_off(self, data: FitSet) -> FitSet:
        """Return the set with the targets that are left for the networks."""
        t = data.targets
        energy, forces, stress = t.energy.copy(), t.forces.copy(), t.stress.copy()
        flat = self.coefficients.ravel()
        for frame in range(data.n_frames):
            rows = _frame_rows(data, frame)
            atoms = slice(*data.descriptors.frame_start[frame : frame + 2])
            energy[frame] -= t.has_energy[frame] * (rows[0] @ flat)
            forces[atoms] -= t.has_forces[frame] * (rows[1] @ flat).reshape(-1, 3).astype(np.float32)
            stress[frame] -= t.has_stress[frame] * (rows[2] @ flat).reshape(3, 3) / t.volume[frame]
        return replace(data, targets=replace(t, energy=energy, forces=forces, stress=stress))


def _frame_rows(data: FitSet, frame: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Derivatives of a frame's energy (n,), forces (3 n_atoms, n) and virial (9, n) by the n coefficients."""
    from scipy.sparse import csr_array

    d = data.descriptors
    assert d.derivatives is not None
    first, end = (int(v) for v in d.frame_start[frame : frame + 2])
    pairs = slice(int(d.pair_start[first]), int(d.pair_start[end]))
    n_pairs, n_atoms, (n_elements, _, n_in) = pairs.stop - pairs.start, end - first, data.matrix.shape
    species = d.species[first:end]
    center = np.repeat(np.arange(n_atoms), np.diff(d.pair_start[first : end + 1]))
    energy = np.zeros((n_elements, n_in))
    np.add.at(energy, species, data.inputs[first:end].astype(float))
    moves = np.zeros((n_pairs, 3, n_elements, n_in))
    for e in range(n_elements):
        of_element = species[center] == e
        moves[of_element, :, e] = d.derivatives[pairs][of_element] @ data.matrix[e]
    flat = moves.reshape(n_pairs, -1)
    index, ones = np.arange(n_pairs), np.ones(n_pairs)
    shape = (n_atoms, n_pairs)
    gather = csr_array((ones, (center, index)), shape) - csr_array(
        (ones, (d.pair_neighbor[pairs] - first, index)), shape
    )
    forces = (gather @ flat).reshape(3 * n_atoms, -1)
    virial = np.einsum("pa,pbn->abn", d.pair_vector[pairs], moves.reshape(n_pairs, 3, -1))
    virial = 0.5 * (virial + virial.swapaxes(0, 1))
    return energy.ravel(), forces, virial.reshape(9, -1)
