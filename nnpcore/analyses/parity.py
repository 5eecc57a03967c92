"""Predicted against reference energies, forces and, where they are known, atomic energies of frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from nnpcore.analyses.graph import Analysis, Given, Input
from nnpcore.analyses.inputs import POTENTIAL, RunPart
from nnpcore.mapping.model_energies import AtomicEnergyModel
from nnpcore.units import MEV_PER_EV

if TYPE_CHECKING:
    from nnpcore.potential import Prediction
    from nnpcore.structures.frame import Frame

CHUNK = 16
"""Frames predicted at once, between which a task can be cancelled."""


@dataclass(frozen=True)
class ComparedFrames:
    """Frames with reference values: ``frames`` are those of ``part``, one for one, of ``n_available``."""

    part: RunPart
    frames: tuple[Frame, ...]
    n_available: int


@dataclass(frozen=True, eq=False)
class ParityGroup:
    """Frames of one source in one role.

    Attributes
    ----------
    name, key, role : as in ``AtomGroup``.
    frames : (n,) frames of the source that have an energy.
    energies : (n, 2) reference and prediction, eV/atom, the elements' reference energies subtracted.
    force_frames, force_atoms : (m,) the frame and atom of each row of ``forces``.
    forces : (m, 3, 2) components, reference and prediction, eV/Å.
    n_frames : frames looked at. n_available : frames there are.
    atomic_frames, atomic_atoms : (k,) the frame and atom of each row of ``atomic``.
    atomic : (k, 2) atomic energies of references that know them, and predicted ones, eV, the elements'
        reference energies subtracted.
    part : the group of frames it is, where it was divided by these.
    """

    name: str
    key: str
    role: str
    frames: np.ndarray
    energies: np.ndarray
    force_frames: np.ndarray
    force_atoms: np.ndarray
    forces: np.ndarray
    n_frames: int
    n_available: int
    atomic_frames: np.ndarray = field(default_factory=lambda: np.arange(0))
    atomic_atoms: np.ndarray = field(default_factory=lambda: np.arange(0))
    atomic: np.ndarray = field(default_factory=lambda: np.empty((0, 2)))
    part: str = ""

    @property
    def atomic_rmse_mev(self) -> float:
        """RMSE of the atomic energies, meV; NaN without a reference that knows them."""
        return MEV_PER_EV * _rms((self.atomic[:, 1] - self.atomic[:, 0]).ravel())

    @property
    def energy_rmse_mev(self) -> float:
        """RMSE of the energy, meV/atom; NaN without energies."""
        return MEV_PER_EV * _rms(self.energies[:, 1] - self.energies[:, 0])

    @property
    def force_rmse(self) -> float:
        """RMSE of the force components, eV/Å; NaN without forces."""
        return _rms((self.forces[..., 1] - self.forces[..., 0]).ravel())


@dataclass(frozen=True, eq=False)
class Parity:
    """All groups of frames that were compared."""

    groups: tuple[ParityGroup, ...]


def thinned(indices: np.ndarray, most: int) -> np.ndarray:
    """Return at most ``most`` of the indices, evenly spread."""
    if len(indices) <= most:
        return indices
    return indices[np.linspace(0, len(indices) - 1, most).round().astype(np.int64)]


def _parity(given: Given) -> Parity:
    sources, model = given[COMPARED_FRAMES], given[POTENTIAL]
    total = max(sum(len(source.frames) for source in sources), 1)
    done, groups = 0, []
    for source in sources:
        pairs: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
        for start in range(0, len(source.frames), CHUNK):
            given.progress.report(done / total, f"Predicting {source.part.name}")
            frames = source.frames[start : start + CHUNK]
            found = model.predict(frames, stress=False, members=False, n_threads=given.n_threads)
            pairs += [_pairs(model, frame, found, k) for k, frame in enumerate(frames)]
            done += len(frames)
        groups.append(_group(source, pairs))
    return Parity(tuple(groups))


def _pairs(
    model: AtomicEnergyModel, frame: Frame, found: Prediction, k: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return reference and prediction of a frame's energy (1, 2), eV/atom, forces (n_atoms, 3, 2), eV/Å.

    The third are atomic energies (n_atoms, 2), eV. Of what is not known the first axis has length 0.
    """
    energies, forces, atomic = np.empty((0, 2)), np.empty((0, 3, 2)), np.empty((0, 2))
    if frame.energy is not None:
        pair = np.array([[frame.energy, found.energy[k]]])
        energies = (pair - _element_energy(model, frame)) / frame.n_atoms
    if frame.forces is not None and found.forces is not None:
        forces = np.stack([frame.forces, found.forces[found.atoms_of(k)]], axis=-1)
    if frame.exact_energies is not None:
        zero = _element_energies(model, frame)
        mine = found.atomic_energies[found.atoms_of(k)]
        atomic = np.column_stack([frame.exact_energies - zero, mine - zero])
    return energies, forces, atomic


def _group(source: ComparedFrames, pairs: Sequence[tuple[np.ndarray, np.ndarray, np.ndarray]]) -> ParityGroup:
    part, sizes = source.part, [len(forces) for _, forces, _ in pairs]
    n_atomic = [len(atomic) for _, _, atomic in pairs]
    return ParityGroup(
        name=part.name,
        key=part.key,
        role=part.role,
        frames=np.repeat(part.indices, [len(energies) for energies, _, _ in pairs]),
        energies=np.concatenate([np.empty((0, 2)), *(energies for energies, _, _ in pairs)]),
        force_frames=np.repeat(part.indices, sizes),
        force_atoms=np.concatenate([np.arange(0), *map(np.arange, sizes)]),
        forces=np.concatenate([np.empty((0, 3, 2)), *(forces for _, forces, _ in pairs)]),
        n_frames=len(source.frames),
        n_available=source.n_available,
        atomic_frames=np.repeat(part.indices, n_atomic),
        atomic_atoms=np.concatenate([np.arange(0), *map(np.arange, n_atomic)]),
        atomic=np.concatenate([np.empty((0, 2)), *(atomic for _, _, atomic in pairs)]),
    )


def _element_energy(model: AtomicEnergyModel, frame: Frame) -> float:
    return float(_element_energies(model, frame).sum())


def _element_energies(model: AtomicEnergyModel, frame: Frame) -> np.ndarray:
    """Return the reference energy of each atom's element, (n_atoms,), eV; zeros for models without."""
    from ase.data import chemical_symbols

    known: dict[str, float] = getattr(model, "element_energies", None) or {}
    zero = np.zeros(frame.n_atoms)
    for number in np.unique(frame.numbers) if known else ():
        zero[frame.numbers == number] = known[chemical_symbols[number]]
    return zero


def _rms(difference: np.ndarray) -> float:
    known = difference[np.isfinite(difference)]
    return float(np.sqrt(np.mean(known**2))) if len(known) else float("nan")


COMPARED_FRAMES: Input[tuple[ComparedFrames, ...]] = Input(
    "compared_frames", "Frames to compare with", "there are no frames to compare with"
)
PARITY = Analysis(
    "parity", "Comparing with the reference", _parity, needs=(POTENTIAL, COMPARED_FRAMES), costly=True
)
