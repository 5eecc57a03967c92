"""What a posterior is asked about: means of atomic energies over atoms, and differences of such means."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nnpcore.errors import AnalysisError
from nnpcore.structures.frame import Frame


@dataclass(frozen=True, eq=False)
class Target:
    """A linear function of atomic energies, ``sum_p sum_i weights_p[i] E_i(frame_p)``.

    Attributes
    ----------
    name : what it is called.
    parts : structures with weights (n_atoms,) of their atoms. Labels of the structures are not looked at.
    """

    name: str
    parts: tuple[tuple[Frame, np.ndarray], ...]

    @classmethod
    def mean(cls, frame: Frame, atoms: Sequence[int] | np.ndarray | None = None, name: str = "") -> Target:
        """Return the mean atomic energy (eV) of some ``atoms`` of a structure, of all by default.

        AnalysisError for no atoms, or atoms the structure does not have.
        """
        chosen = np.arange(frame.n_atoms) if atoms is None else np.asarray(atoms, dtype=np.int64).reshape(-1)
        if not len(chosen) or chosen.min() < 0 or chosen.max() >= frame.n_atoms:
            raise AnalysisError(
                "no atoms, or atoms that the structure does not have",
                where=name or frame.label(0),
                fix=f"Choose among its atoms 0 to {frame.n_atoms - 1}",
            )
        weights = np.bincount(chosen, minlength=frame.n_atoms) / len(chosen)
        return cls(name, ((frame, weights),))

    def times(self, factor: float, name: str = "") -> Target:
        """Return this target times a number."""
        return Target(name or self.name, tuple((frame, factor * w) for frame, w in self.parts))

    def minus(self, other: Target, name: str = "") -> Target:
        """Return the difference of this target and another."""
        parts = self.parts + other.times(-1.0).parts
        return Target(name or f"{self.name} - {other.name}", parts)

    @property
    def frames(self) -> tuple[Frame, ...]:
        """Its structures."""
        return tuple(frame for frame, _ in self.parts)


def mean_targets(frames: Sequence[Frame]) -> list[Target]:
    """Return the mean atomic energies of structures: what invariant points are asked for."""
    return [Target.mean(frame, name=frame.label(k)) for k, frame in enumerate(frames)]


def atom_targets(frame: Frame) -> list[Target]:
    """Return the atomic energies of all atoms of a structure."""
    return [Target.mean(frame, [k], f"atom {k}") for k in range(frame.n_atoms)]
