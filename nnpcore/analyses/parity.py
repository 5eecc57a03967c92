"""Predicted against reference energies and forces of frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from nnpcore.analyses.graph import Analysis, Given, Input
from nnpcore.analyses.inputs import POTENTIAL, RunPart
from nnpcore.mapping.model_energies import AtomicEnergyModel
from nnpcore.units import MEV_PER_EV

if TYPE_CHECKING:
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
    sources = given[COMPARED_FRAMES]
    total = max(sum(len(source.frames) for source in sources), 1)
    done, groups = 0, []
    for source in sources:
        rows = []
        for start in range(0, len(source.frames), CHUNK):
            given.progress.report(done / total, f"Predicting {source.part.name}")
            part = slice(start, start + CHUNK)
            frames, indices = source.frames[part], source.part.indices[part]
            rows.append(_predicted(given[POTENTIAL], frames, indices, given.n_threads))
            done += len(frames)
        groups.append(_joined(source, rows))
    return Parity(tuple(groups))


_Rows = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def _predicted(
    model: AtomicEnergyModel, frames: Sequence[Frame], indices: np.ndarray, n_threads: int | None
) -> _Rows:
    found = model.predict(frames, stress=False, members=False, n_threads=n_threads)
    with_energy = [k for k, frame in enumerate(frames) if frame.energy is not None]
    energies = np.empty((len(with_energy), 2))
    for row, k in enumerate(with_energy):
        offset, frame = _element_energy(model, frames[k]), frames[k]
        pair = (frame.energy or 0.0, float(found.energy[k]))
        energies[row] = [(value - offset) / frame.n_atoms for value in pair]
    rows, numbers, forces = [], [], []
    for k, frame in enumerate(frames):
        if frame.forces is not None and found.forces is not None:
            rows.append(np.full(frame.n_atoms, indices[k]))
            numbers.append(np.arange(frame.n_atoms))
            forces.append(np.stack([frame.forces, found.forces[found.atoms_of(k)]], axis=-1))
    empty = np.empty(0, dtype=np.int64)
    return (
        indices[with_energy],
        energies,
        np.concatenate(rows) if rows else empty,
        np.concatenate(numbers) if numbers else empty,
        np.concatenate(forces) if forces else np.empty((0, 3, 2)),
    )


def _element_energy(model: AtomicEnergyModel, frame: Frame) -> float:
    from ase.data import chemical_symbols

    numbers, counts = np.unique(frame.numbers, return_counts=True)
    known: dict[str, float] = getattr(model, "element_energies", None) or dict.fromkeys(chemical_symbols, 0.0)
    return sum(known[chemical_symbols[z]] * n for z, n in zip(numbers, counts.tolist(), strict=True))


def _rms(difference: np.ndarray) -> float:
    known = difference[np.isfinite(difference)]
    return float(np.sqrt(np.mean(known**2))) if len(known) else float("nan")


def _joined(source: ComparedFrames, parts: Sequence[_Rows]) -> ParityGroup:
    empty = np.empty(0, dtype=np.int64)
    nothing = (empty, np.empty((0, 2)), empty, empty, np.empty((0, 3, 2)))
    columns = [np.concatenate(column) for column in zip(*(parts or [nothing]), strict=True)]
    part = source.part
    return ParityGroup(
        part.name, part.key, part.role, *columns, n_frames=len(source.frames), n_available=source.n_available
    )


COMPARED_FRAMES: Input[tuple[ComparedFrames, ...]] = Input(
    "compared_frames", "Frames to compare with", "there are no frames to compare with"
)
PARITY = Analysis(
    "parity", "Comparing with the reference", _parity, needs=(POTENTIAL, COMPARED_FRAMES), costly=True
)
