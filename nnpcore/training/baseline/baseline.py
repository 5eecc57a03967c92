"""What lies under the networks while they are trained, and what it takes off their targets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from nnpcore.potential.baseline import NonlinearBaseline
from nnpcore.potential.pair_forces import add_forces, add_virials, pair_gradients
from nnpcore.training.baseline.normal_equations import descriptor_sums
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
        own = self.deviations
        mean = np.array([row[None] for row in self.mean_skip.values()])
        linear = _linear_values(data, mean if own is None else np.concatenate([mean, own], axis=1))
        values = linear.of_members(np.array([0]))
        if self.nonlinear is not None:
            x, species = data.inputs.astype(np.float64), data.descriptors.species
            energies, slopes = self.nonlinear.energies_and_gradient(x, species)
            more = _values(data, energies[None], slopes[None])
            values = MemberValues(*(a + b for a, b in zip(values, more, strict=True)))
        t = data.targets
        energy = t.energy - t.has_energy * values.energies[:, 0]
        known = np.repeat(t.has_forces, t.n_atoms)[:, None]
        forces = t.forces - known * values.forces[:, 0]
        virials = 0.5 * (values.virials + values.virials.swapaxes(2, 3))[:, 0]
        stress = t.stress - (t.has_stress / t.volume)[:, None, None] * virials
        targets = replace(t, energy=energy, forces=forces.astype(np.float32), stress=stress)
        added = None if own is None else linear.of_members(np.arange(1, linear.energies.shape[1]))
        return replace(data, targets=targets, whole=t, deviations=own, added=added)

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Return the numbers by name, for a checkpoint."""
        more = {} if self.nonlinear is None else self.nonlinear.to_arrays()
        return {f"skip.{element}": skip for element, skip in self.skip.items()} | more

    @classmethod
    def from_arrays(cls, kind: str, elements: Sequence[str], arrays: dict[str, np.ndarray]) -> Baseline:
        """Rebuild from :meth:`to_arrays`; KeyError for a missing name."""
        part = None if kind == "linear" else NonlinearBaseline.from_arrays(kind, tuple(elements), arrays)
        return cls({e: np.array(arrays[f"skip.{e}"]) for e in elements}, part)


def _linear_values(data: FitSet, skip: np.ndarray) -> MemberValues:
    """Sum up atomic energies that are linear in the inputs, ``skip`` (n_elements, n_members, n_inputs)."""
    d, n_members = data.descriptors, skip.shape[1]
    slopes = data.matrix.astype(np.float64) @ skip.swapaxes(1, 2)
    atomic = np.empty((d.n_atoms, n_members))
    for e, own in enumerate(skip):
        atomic[d.species == e] = data.inputs[d.species == e].astype(np.float64) @ own.T
    forces = np.zeros((d.n_atoms, n_members, 3), dtype=np.float32)
    virials = np.zeros((d.n_frames, n_members, 3, 3))
    for frame in range(d.n_frames):
        atoms = slice(*d.frame_start[frame : frame + 2])
        part, (place,) = data.window(np.array([frame]))
        own = part.descriptors.select(place, place + 1)
        for e, slope in enumerate(slopes):
            centers = np.flatnonzero(own.species == e)
            sums = descriptor_sums(PairArrays.of(own), own.pair_start, centers, virial=True)
            forces[atoms] += (sums[0] @ slope).swapaxes(1, 2)
            virials[frame] += np.moveaxis(sums[1] @ slope, 2, 0)
    return MemberValues(np.add.reduceat(atomic, d.frame_start[:-1]), forces, virials)


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
