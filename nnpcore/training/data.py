"""Frames made ready for training: descriptors, network inputs, and what the network has to reproduce."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from nnpcore.errors import TrainingError
from nnpcore.training.windows import Windows

if TYPE_CHECKING:
    from nnpcore.descriptors import DescriptorSet, Whitening
    from nnpcore.structures.frame import Frame

STRESS_BASIS = np.zeros((6, 3, 3))
"""Orthonormal basis of symmetric 3x3 matrices: three diagonal ones, then yz, xz, xy."""
for _k, (_a, _b) in enumerate(((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))):
    STRESS_BASIS[_k, _a, _b] = STRESS_BASIS[_k, _b, _a] = 1.0 if _a == _b else np.sqrt(0.5)


@dataclass(frozen=True, eq=False)
class Targets:
    """Reference values of a set of frames, as the network has to reproduce them.

    Attributes
    ----------
    energy : (n_frames,) eV, the elements' reference energies taken off; 0 where unknown.
    forces : (n_atoms, 3) float32 eV/Å; 0 where unknown.
    stress : (n_frames, 3, 3) eV/Å³, ASE's sign; 0 where unknown.
    has_energy, has_forces, has_stress : (n_frames,) bool.
    volume : (n_frames,) Å³; 1 where there is none.
    n_atoms : (n_frames,) int64.
    counts : (n_frames,) how many times each frame counts.
    group_weights : (n_frames, 3) weights of the group of each frame for energy, forces and stress, see
        :mod:`nnpcore.training.group_weights`.
    """

    energy: np.ndarray
    forces: np.ndarray
    stress: np.ndarray
    has_energy: np.ndarray
    has_forces: np.ndarray
    has_stress: np.ndarray
    volume: np.ndarray
    n_atoms: np.ndarray
    counts: np.ndarray
    group_weights: np.ndarray

    @classmethod
    def of(
        cls,
        frames: Sequence[Frame],
        elements: Sequence[str],
        element_energies: dict[str, float],
        frame_counts: Sequence[float] = (),
        group_weights: np.ndarray | None = None,
    ) -> Targets:
        """Collect the targets of ``frames``; a stress counts only in cells periodic in all directions.

        Without ``frame_counts`` every frame counts once, without ``group_weights`` (n_frames, 3) all of it.
        """
        counts = composition(frames, elements)
        offsets = counts @ np.array([element_energies[e] for e in elements])
        energy = np.array([0.0 if f.energy is None else f.energy for f in frames])
        has_energy = np.array([f.energy is not None for f in frames], dtype=bool)
        has_stress, stress = _stresses(frames)
        forces = [np.zeros((f.n_atoms, 3)) if f.forces is None else f.forces for f in frames]
        return cls(
            energy=np.where(has_energy, energy - offsets, 0.0),
            forces=np.concatenate(forces).astype(np.float32) if forces else np.zeros((0, 3), np.float32),
            stress=stress,
            has_energy=has_energy,
            has_forces=np.array([f.forces is not None for f in frames], dtype=bool),
            has_stress=has_stress,
            volume=np.array([f.volume if has_stress[k] else 1.0 for k, f in enumerate(frames)]),
            n_atoms=np.array([f.n_atoms for f in frames], dtype=np.int64),
            counts=np.array(frame_counts, dtype=float) if len(frame_counts) else np.ones(len(frames)),
            group_weights=np.ones((len(frames), 3)) if group_weights is None else group_weights,
        )

    def with_stresses(self, frames: Sequence[Frame]) -> Targets:
        """Return these targets with the stresses that their frames now have; none is new."""
        has_stress, stress = _stresses(frames)
        return replace(self, stress=stress, has_stress=has_stress)

    @property
    def weights(self) -> np.ndarray:
        """(n_frames, 3): how many times energy, forces and stress of each frame count in the loss."""
        return self.counts[:, None] * self.group_weights

    @property
    def passes(self) -> np.ndarray:
        """(n_frames,) int64: how often an epoch of a filter takes each frame, its count rounded, once at
        least."""
        return np.maximum(1, np.rint(self.counts)).astype(np.int64)

    def of_frames(self, frames: np.ndarray, atoms: np.ndarray) -> Targets:
        """Return those of some frames, whose atoms these are."""
        taken = {name: v[atoms if name == "forces" else frames] for name, v in vars(self).items()}
        return Targets(**taken)


def _stresses(frames: Sequence[Frame]) -> tuple[np.ndarray, np.ndarray]:
    """Return which frames have a stress that counts (n_frames,), and the stresses (n_frames, 3, 3)."""
    found = [f.stress if np.all(f.pbc) and f.volume > 0 else None for f in frames]
    zero = np.zeros((3, 3))
    stress = np.array([zero if own is None else own for own in found]).reshape(-1, 3, 3)
    return np.array([own is not None for own in found], dtype=bool), stress


class MemberValues(NamedTuple):
    """What members predict for a set, element energies not included.

    energies (n_frames, n_members) eV; forces (n_atoms, n_members, 3) float32 eV/Å; virials (n_frames,
    n_members, 3, 3) float32 eV, of no members where not asked for.
    """

    energies: np.ndarray
    forces: np.ndarray
    virials: np.ndarray

    def of_frames(self, frames: np.ndarray, atoms: np.ndarray) -> MemberValues:
        """Return those of some frames, whose atoms these are."""
        return MemberValues(self.energies[frames], self.forces[atoms], self.virials[frames])

    def of_members(self, members: np.ndarray) -> MemberValues:
        """Return those of some members."""
        return MemberValues(*(values[:, members] for values in self))

    def less(self, other: MemberValues) -> MemberValues:
        """Return the differences to others of the same frames; virials where these have any."""
        virials = self.virials - other.virials[:, : self.virials.shape[1]]
        return MemberValues(self.energies - other.energies, self.forces - other.forces, virials)


@dataclass(frozen=True, eq=False)
class Guide:
    """Atomic energies that networks are asked for beside the data, see :mod:`nnpcore.training.guidance`.

    Attributes
    ----------
    targets : (n_members, n_atoms) float32 eV, the elements' reference energies taken off.
    precision : (n_atoms,) float32 1/eV², what each counts.
    loss : what networks have left of the loss when the guidance begins, a unit for gradients.
    moved : by what the data of each member differ, see :mod:`nnpcore.training.deviations`; None where they do
        not.
    """

    targets: np.ndarray
    precision: np.ndarray
    loss: float
    moved: MemberValues | None = None

    def of_members(self, members: np.ndarray) -> Guide:
        """Return that of some members."""
        moved = None if self.moved is None else self.moved.of_members(members)
        return replace(self, targets=self.targets[members], moved=moved)

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Return the numbers by name, for a checkpoint."""
        own = {name: np.atleast_1d(value) for name, value in vars(self).items() if name != "moved"}
        return own if self.moved is None else own | {f"moved.{k}": v for k, v in self.moved._asdict().items()}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> Guide:
        """Rebuild from :meth:`to_arrays`; KeyError for a missing name."""
        names = [name for name in MemberValues._fields if f"moved.{name}" in arrays]
        moved = MemberValues(*(arrays[f"moved.{name}"] for name in MemberValues._fields)) if names else None
        return cls(arrays["targets"], arrays["precision"], arrays["loss"].item(), moved)


@dataclass(frozen=True, eq=False)
class FitSet:
    """Descriptors, network inputs and targets of a set of frames.

    Attributes
    ----------
    descriptors : with float32 derivatives.
    inputs : (n_atoms, n_inputs) float32 whitened descriptors.
    matrix : (n_elements, n_descriptors, n_inputs) float32, of the whitening.
    targets : reference values.
    order : (n_atoms,) int64: atoms sorted by frame and within it by element.
    element_start : (n_frames, n_elements + 1) int64, bounds of every element's atoms within ``order``.
    whole : the targets before a baseline was taken off; None without one.
    deviations : (n_elements, n_members, n_inputs) eV, linear parts by which members differ from what was
        taken off; None where they do not.
    added : what ``deviations`` add to every member's predictions.
    guide : atomic energies to follow where the data leave them open, or None.
    windows : where pairs and derivatives come from that ``descriptors`` do not hold; None where they do.
    """

    descriptors: DescriptorSet
    inputs: np.ndarray
    matrix: np.ndarray
    targets: Targets
    order: np.ndarray
    element_start: np.ndarray
    whole: Targets | None = None
    deviations: np.ndarray | None = None
    added: MemberValues | None = None
    guide: Guide | None = None
    windows: Windows | None = None

    @classmethod
    def of(
        cls,
        descriptors: DescriptorSet,
        whitening: Whitening,
        targets: Targets,
        windows: Windows | None = None,
    ) -> FitSet:
        """Whiten the descriptors and sort the atoms."""
        inputs = whitening.transform(descriptors.values, descriptors.species)
        frames = descriptors.frames_of_atoms
        n_elements = len(descriptors.functions.elements)
        counts = np.zeros((descriptors.n_frames, n_elements), dtype=np.int64)
        np.add.at(counts, (frames, descriptors.species), 1)
        bounds = np.zeros((descriptors.n_frames, n_elements + 1), dtype=np.int64)
        bounds[:, 1:] = np.cumsum(counts, axis=1)
        return cls(
            descriptors,
            np.ascontiguousarray(inputs, dtype=np.float32),
            np.ascontiguousarray(whitening.matrix, dtype=np.float32),
            targets,
            np.lexsort((np.arange(descriptors.n_atoms), descriptors.species, frames)),
            bounds + descriptors.frame_start[:-1, None],
            windows=windows,
        )

    @property
    def n_frames(self) -> int:
        """Number of frames."""
        return self.descriptors.n_frames

    @property
    def n_inputs(self) -> int:
        """Length of a network input."""
        return self.inputs.shape[1]

    def atoms_of(self, frames: np.ndarray) -> np.ndarray:
        """Return the indices of all atoms of some frames, in the frames' order."""
        start = self.descriptors.frame_start.tolist()
        return np.concatenate([np.arange(start[f], start[f + 1]) for f in frames.tolist()])

    def window(self, frames: np.ndarray) -> tuple[FitSet, np.ndarray]:
        """Return a set that holds the derivatives of these frames, and their indices in it.

        It is this set itself where everything is in memory, else one of these frames alone, without guide.
        """
        if self.windows is None:
            return self, frames
        atoms, own = self.atoms_of(frames), self.windows.read(frames)
        moved = own.frame_start[:-1] - self.descriptors.frame_start[frames]
        n_atoms = np.diff(own.frame_start)
        part = FitSet(
            own,
            self.inputs[atoms],
            self.matrix,
            self.targets.of_frames(frames, atoms),
            self.order[atoms] + np.repeat(moved, n_atoms),
            self.element_start[frames] + moved[:, None],
            None if self.whole is None else self.whole.of_frames(frames, atoms),
            self.deviations,
            None if self.added is None else self.added.of_frames(frames, atoms),
        )
        return part, np.arange(len(frames))


def chunks_of(n_atoms: np.ndarray, most: int) -> list[int]:
    """Cut frames of these sizes into runs of ``most`` atoms; return where each begins, and the end."""
    edges, held = [0], 0
    for f, n in enumerate(n_atoms.tolist()):
        if held and held + n > most:
            edges.append(f)
            held = 0
        held += n
    return [*edges, len(n_atoms)] if len(n_atoms) else [0]


def composition(frames: Sequence[Frame], elements: Sequence[str]) -> np.ndarray:
    """Return the number of atoms of every element in every frame, (n_frames, n_elements) float64."""
    from ase.data import atomic_numbers

    numbers = [atomic_numbers[e] for e in elements]
    return np.array(
        [[np.count_nonzero(f.numbers == z) for z in numbers] for f in frames], dtype=float
    ).reshape(len(frames), len(numbers))


def fit_element_energies(
    frames: Sequence[Frame], elements: Sequence[str], about: Mapping[str, float] | None = None
) -> dict[str, float]:
    """Return each element's reference energy, eV: least squares of the energies per atom on the compositions.

    Where the compositions do not determine them (always the same stoichiometry, say), the solution of least
    norm is taken, counted from ``about`` (eV, zero without); the network makes up for the rest. Frames
    without an energy do not count; without any, all are those of ``about``.
    """
    known = [f for f in frames if f.energy is not None]
    if not known:
        return {element: (about or {}).get(element, 0.0) for element in elements}
    counts = composition(known, elements)
    n_atoms = counts.sum(axis=1)
    zero = np.array([(about or {}).get(element, 0.0) for element in elements])
    energies = np.array([f.energy for f in known], dtype=float) - counts @ zero
    solution, *_ = np.linalg.lstsq(counts / n_atoms[:, None], energies / n_atoms, rcond=1e-8)
    return {element: float(value) for element, value in zip(elements, solution + zero, strict=True)}


def check_trainable(frames: Sequence[Frame], *, energy: bool, forces: bool, stress: bool) -> None:
    """Raise :class:`TrainingError` unless some frame has something that the loss asks for.

    ``energy``, ``forces``, ``stress`` say whether the loss gives them a weight.
    """
    if not frames:
        raise TrainingError("there are no training frames", fix="Open a file and give it the role training")
    found = {
        "energies": (energy, any(f.energy is not None for f in frames)),
        "forces": (forces, any(f.forces is not None for f in frames)),
        "stresses": (stress, any(f.stress is not None for f in frames)),
    }
    if not any(present for _, present in found.values()):
        raise TrainingError(
            "the training frames have neither energies nor forces nor stresses",
            where=frames[0].source,
            fix="Choose a file that was written with the results of a calculation",
        )
    if not any(wanted and present for wanted, present in found.values()):
        names = ", ".join(name for name, (_, present) in found.items() if present)
        raise TrainingError(
            f"the training frames have only {names}, whose weight in the loss is zero",
            where=frames[0].source,
            fix=f"Give {names} a positive weight",
        )
