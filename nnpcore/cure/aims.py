"""What is to be known: mean atomic energies of crystals, regions or atoms, with references where known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nnpcore.mapping.invariant import check_invariant
from nnpcore.posterior.targets import Target
from nnpcore.structures.frame import Frame

if TYPE_CHECKING:
    from nnpcore.mapping import RegionSet
    from nnpcore.progress import Progress


@dataclass(frozen=True, eq=False)
class Aim:
    """A mean atomic energy that is to be known.

    Attributes
    ----------
    target : which atoms of which structure.
    reference : eV/atom, where it is known.
    weight : in the mean over all aims.
    """

    target: Target
    reference: float | None = None
    weight: float = 1.0

    @property
    def name(self) -> str:
        """What to call it."""
        return self.target.name


def aims_of_frames(
    frames: Sequence[Frame], name: str, *, n_threads: int | None = None, progress: Progress | None = None
) -> list[Aim]:
    """Return the aims of structures: one for a crystal of equivalent atoms, else every atom of a structure.

    The reference of a crystal is its energy per atom, that of an atom the file's exact atomic energy. A
    structure counts as much as a crystal, however many atoms it has.
    """
    found: list[Aim] = []
    for k, check in enumerate(check_invariant(frames, n_threads=n_threads, progress=progress)):
        frame, called = frames[k], f"{name}, frame {k}"
        if check.ok:
            known = None if frame.energy is None else frame.energy / frame.n_atoms
            volume = f"{name} at {check.volume:.2f} Å³" if check.volume else called
            found.append(Aim(Target.mean(frame, name=volume), known))
        else:
            found += aims_of_atoms(frame, np.arange(frame.n_atoms), called)
    return found


def aims_of_atoms(frame: Frame, atoms: np.ndarray, name: str) -> list[Aim]:
    """Return some atoms of a structure as aims that together count as one."""
    exact = frame.exact_energies
    return [
        Aim(
            Target.mean(frame, [atom], f"{name}, atom {atom}"),
            None if exact is None else float(exact[atom]),
            1.0 / len(atoms),
        )
        for atom in atoms.tolist()
    ]


def aims_of_regions(regions: RegionSet) -> list[Aim]:
    """Return the regions of a structure as aims."""
    return [
        Aim(Target.mean(regions.frame, region.atoms, regions.title_of(region)), region.reference)
        for region in regions.regions
    ]


def read_aims(path: str, frames: Sequence[Frame] | None = None) -> list[Aim]:
    """Return the aims of a file of regions (.json), or of the ``frames`` that were read from a file.

    Raises
    ------
    AnalysisError : a file of regions that is none.
    """
    if frames is None:
        from nnpcore.mapping.regions import read_regions

        return [aim for regions in read_regions(path) for aim in aims_of_regions(regions)]
    return aims_of_frames(frames, Path(path.partition("@")[0]).stem)


def near_equilibrium(aims: Sequence[Aim], share: float = 0.05) -> tuple[list[Aim], int]:
    """Leave out crystals whose volume is more than ``share`` off that of lowest energy; return how many were.

    A scan to extremes would be all that a mean over its points is about. Aims that are no crystals with a
    known energy stay, and all do where the lowest energy is at an end of the scan.
    """
    volumes = {k: v for k, aim in enumerate(aims) if (v := _volume(aim)) is not None}
    if len(volumes) < 3:
        return list(aims), 0
    lowest = min(volumes, key=lambda k: aims[k].reference or 0.0)
    middle = volumes[lowest]
    if middle in (min(volumes.values()), max(volumes.values())):
        return list(aims), 0
    out = {k for k, volume in volumes.items() if abs(volume / middle - 1.0) > share}
    return [aim for k, aim in enumerate(aims) if k not in out], len(out)


def _volume(aim: Aim) -> float | None:
    """Å³/atom of a crystal all of whose atoms are averaged and whose energy is known."""
    (frame, weights), *others = aim.target.parts
    whole = not others and np.allclose(weights, 1.0 / frame.n_atoms)
    if aim.reference is None or not whole or not frame.pbc.all() or frame.volume <= 0.0:
        return None
    return frame.volume / frame.n_atoms
