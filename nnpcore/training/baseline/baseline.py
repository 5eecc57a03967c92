"""What lies under the networks while they are trained, and what it takes off their targets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from nnpcore.potential.baseline import NonlinearBaseline
from nnpcore.potential.pair_forces import add_forces, add_virials, pair_gradients
from nnpcore.training.data import FitSet, MemberValues
from nnpcore.training.windows import PairArrays


@dataclass(frozen=True, eq=False)
class Baseline:
    """What lies under the networks.

    Attributes
    ----------
    skip : per element (n_members, n_inputs) eV, the linear part.
    nonlinear : quadratic terms or a kernel, or None.
    """

    skip: dict[str, np.ndarray]
    nonlinear: NonlinearBaseline | None = None

    @property
    def mean_skip(self) -> dict[str, np.ndarray]:
        """The linear part's mean over the members, (n_inputs,) per element."""
        return {element: skip.mean(axis=0) for element, skip in self.skip.items()}

    @property
    def deviations(self) -> np.ndarray | None:
        """(n_elements, n_members, n_inputs): members' linear parts less their mean; None where all agree."""
        whole = np.array(list(self.skip.values()))
        found = whole - whole.mean(axis=1, keepdims=True)
        return found if np.abs(found).max() > 1e-12 * np.abs(whole).max() else None

    def taken_off(self, data: FitSet) -> FitSet:
        """Return the set with the targets that are left for the networks, and what each member adds to them.

        Targets are less what is common to all members; ``added`` holds their differences.
        """
        values = self._common(data)
        t = data.targets
        energy = t.energy - t.has_energy * values.energies[:, 0]
        known = np.repeat(t.has_forces, t.n_atoms)[:, None]
        forces = t.forces - known * values.forces[:, 0]
        virials = 0.5 * (values.virials + values.virials.swapaxes(2, 3))[:, 0]
        stress = t.stress - (t.has_stress / t.volume)[:, None, None] * virials
        targets = replace(t, energy=energy, forces=forces.astype(np.float32), stress=stress)
        own = self.deviations
        added = None if own is None else _values(data, *_linear(data, own))
        return replace(data, targets=targets, whole=t, deviations=own, added=added)

    def _common(self, data: FitSet) -> MemberValues:
        energies, slopes = _linear(data, np.array([row[None] for row in self.mean_skip.values()]))
        if self.nonlinear is not None:
            x, species = data.inputs.astype(np.float64), data.descriptors.species
            more, gradient = self.nonlinear.energies_and_gradient(x, species)
            energies, slopes = energies + more, slopes + gradient
        return _values(data, energies, slopes)

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Return the numbers by name, for a checkpoint."""
        more = {} if self.nonlinear is None else self.nonlinear.to_arrays()
        return {f"skip.{element}": skip for element, skip in self.skip.items()} | more

    @classmethod
    def from_arrays(cls, kind: str, elements: Sequence[str], arrays: dict[str, np.ndarray]) -> Baseline:
        """Rebuild from :meth:`to_arrays`; KeyError for a missing name."""
        part = None if kind == "linear" else NonlinearBaseline.from_arrays(kind, tuple(elements), arrays)
        return cls({e: np.array(arrays[f"skip.{e}"]) for e in elements}, part)


def _linear(data: FitSet, skip: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Atomic energies (n_members, n_atoms) and dE/dx (n_members, n_atoms, n_inputs) of linear parts."""
    slopes = skip[data.descriptors.species].swapaxes(0, 1)
    return np.einsum("mnd,nd->mn", slopes, data.inputs), slopes


def _values(data: FitSet, energies: np.ndarray, slopes: np.ndarray) -> MemberValues:
    """Sum up atomic energies (n_members, n_atoms) and their dE/dx to energies, forces and virials."""
    d = data.descriptors
    n_members = len(energies)
    sums = np.add.reduceat(energies, d.frame_start[:-1], axis=1).T
    forces = np.zeros((d.n_atoms, n_members, 3), dtype=np.float32)
    virials = np.zeros((d.n_frames, n_members, 3, 3))
    for frame in range(d.n_frames):
        a, b = (int(v) for v in d.frame_start[frame : frame + 2])
        gradients = np.einsum("mnx,ndx->nmd", slopes[:, a:b], data.matrix[d.species[a:b]], optimize=True)
        part, (place,) = data.window(np.array([frame]))
        own = part.descriptors.select(place, place + 1)
        held, start = PairArrays.of(own), own.pair_start
        pairs = pair_gradients(np.ascontiguousarray(gradients, dtype=np.float32), start, held.derivatives)
        add_forces(pairs, 0, start, held.neighbor, forces[a:b])
        add_virials(pairs, held.vector, start, np.full(b - a, frame), virials)
    return MemberValues(sums, forces, virials)
