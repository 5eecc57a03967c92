"""Structures that might be computed and added to a training set, before anybody knows their energies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nnpcore.structures.frame import Frame

KINDS = {
    "volumes": "crystals at other volumes",
    "shears": "strained crystals",
    "rattled": "small cells with displaced atoms",
    "md": "molecular dynamics by the potential at hand",
    "slabs": "slabs cut from the crystal",
    "clusters": "clusters cut from the crystal",
}
"""What can be generated: name -> what it is."""

FILE, EXPLORED = "file", "explored"
"""Kinds of candidates that are not generated: read from a file, met by the dynamics of a potential."""


@dataclass(frozen=True, eq=False)
class Candidate:
    """One structure that might be computed.

    Attributes
    ----------
    frame : the structure; labels it has are never looked at when candidates are chosen.
    kind : how it came here: "file", "explored", or one of ``KINDS``.
    name : what to call it, such as "crystal Si8 at 20.1 Å³/atom".
    """

    frame: Frame
    kind: str
    name: str

    @property
    def n_atoms(self) -> int:
        """Number of atoms."""
        return self.frame.n_atoms


@dataclass(frozen=True)
class LeftOut:
    """A candidate that was not looked at: its ``name``, its ``kind``, and why not."""

    name: str
    kind: str
    reason: str


def from_files(frames: Sequence[Frame], name: str, kind: str = FILE) -> list[Candidate]:
    """Return frames of a file called ``name`` as candidates."""
    return [Candidate(frame, kind, f"{name}, frame {k}") for k, frame in enumerate(frames)]


def cost_of(n_atoms: int, exponent: float) -> float:
    """Return what a calculation costs, in units of that of one atom: n_atoms to the power of ``exponent``."""
    return float(n_atoms) ** exponent
