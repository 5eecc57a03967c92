"""Errors of a model on labelled frames: frame by frame, atom by atom, and summed up by group."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from nnpcore.training.optimizers.base import ErrorSums

if TYPE_CHECKING:
    from nnpcore.potential.model import AtomicEnergyModel
    from nnpcore.progress import Progress
    from nnpcore.structures.frame import Frame

_FRAMES_AT_ONCE = 32


@dataclass(frozen=True, eq=False)
class FrameErrors:
    """Errors of a model on frames; what has no reference value does not count.

    Attributes
    ----------
    squares : (n_frames, 3, n_members + 1) sums over each frame of (ΔE/N)², ΔF² and Δσ² (eV, eV/Å, eV/Å³) of
        every member, last of the mean prediction.
    counts : (n_frames, 3) how many numbers these go over: energies, force and stress components.
    energy : (n_frames,) ΔE/N of the mean prediction, eV; NaN without a reference.
    forces : (n_atoms, 3) ΔF of the mean prediction, eV/Å; NaN without a reference.
    frame_start : (n_frames + 1,) where each frame's atoms begin among ``forces``.
    """

    squares: np.ndarray
    counts: np.ndarray
    energy: np.ndarray
    forces: np.ndarray
    frame_start: np.ndarray

    @classmethod
    def of(
        cls,
        model: AtomicEnergyModel,
        frames: Sequence[Frame],
        *,
        device: str = "cpu",
        n_threads: int | None = None,
        progress: Progress | None = None,
    ) -> FrameErrors:
        """Predict frames, some at once, and compare; options as in :meth:`Potential.predict`."""
        n = len(frames)
        squares, counts = np.zeros((n, 3, model.n_members + 1)), np.zeros((n, 3))
        energy = np.full(n, np.nan)
        starts = np.concatenate([[0], np.cumsum([frame.n_atoms for frame in frames])]).astype(np.int64)
        forces = np.full((int(starts[-1]), 3), np.nan)
        for first in range(0, n, _FRAMES_AT_ONCE):
            part = frames[first : first + _FRAMES_AT_ONCE]
            found = model.predict(
                part,
                forces=any(f.forces is not None for f in part),
                stress=any(f.stress is not None for f in part),
                device=device,
                n_threads=n_threads,
            )
            for k, frame in enumerate(part):
                of_stress = None if found.stress_members is None else found.stress_members[:, k]
                atoms = found.atoms_of(k)
                of_forces = None if found.forces_members is None else found.forces_members[:, atoms]
                errors = _errors_of(frame, found.energy_members[:, k], of_forces, of_stress)
                for q, own in enumerate(errors):
                    if own is not None and np.isfinite(own).all():
                        squares[first + k, q, :-1] = (own**2).sum(axis=1)
                        squares[first + k, q, -1] = (own.mean(axis=0) ** 2).sum()
                        counts[first + k, q] = own.shape[1]
                if counts[first + k, 0] and errors[0] is not None:
                    energy[first + k] = errors[0].mean()
                if counts[first + k, 1] and errors[1] is not None:
                    forces[starts[first + k] : starts[first + k + 1]] = errors[1].mean(axis=0).reshape(-1, 3)
            if progress is not None:
                progress.report((first + len(part)) / n, "evaluating")
        return cls(squares, counts, energy, forces, starts)

    def sums(self, chosen: np.ndarray | slice = slice(None)) -> ErrorSums:
        """Return the sums over all frames, or over the ``chosen`` ones."""
        return ErrorSums(self.squares[chosen].sum(axis=0), self.counts[chosen].sum(axis=0))

    def by_group(self, groups: Sequence[str]) -> dict[str, ErrorSums]:
        """Return the sums of each group, by its name, in the order in which groups first occur.

        ``groups`` (n_frames,) : the group of each frame.
        """
        names = np.array(groups, dtype=object)
        return {name: self.sums(names == name) for name in dict.fromkeys(groups)}


def _errors_of(
    frame: Frame, energy: np.ndarray, forces: np.ndarray | None, stress: np.ndarray | None
) -> list[np.ndarray | None]:
    """Return the errors (n_members, n) of energy per atom, force components and stress components."""
    found, wanted = (energy[:, None], forces, stress), (frame.energy, frame.forces, frame.stress)
    return [
        None if f is None or w is None else (f - w).reshape(len(energy), -1) / (1 if q else frame.n_atoms)
        for q, (f, w) in enumerate(zip(found, wanted, strict=True))
    ]
