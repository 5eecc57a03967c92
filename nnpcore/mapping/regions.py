"""Regions: named groups of atoms of one structure whose mean atomic energy the reference is known to have.

In a slab the atoms deep inside see what a crystal's atoms see, so that their energy is the crystal's at its
equilibrium; what remains of the total energy is the surface's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nnpcore.errors import AnalysisError
from nnpcore.files import FileFormat
from nnpcore.mapping.frame_json import frame_of, plain_frame
from nnpcore.structures.frame import Frame

FORMAT = FileFormat(
    name="eatlas regions",
    version=1,
    noun="a file of regions",
    error=AnalysisError,
    fix="Choose another file, or choose the regions again",
)
BULK, SURFACE, OTHERS = "bulk", "surface", "other elements"


@dataclass(frozen=True, eq=False)
class Region:
    """A named group of atoms.

    Attributes
    ----------
    name : unique within its set.
    atoms : (n,) int64, sorted indices in the structure.
    color_index : of the palette it is drawn with.
    reference : mean atomic energy by the reference, eV; None where unknown.
    reference_std : spread of the reference's atomic energies within the region, eV; None where only their
        mean is known.
    source : where the reference value comes from, in words; empty without one.
    """

    name: str
    atoms: np.ndarray
    color_index: int = 0
    reference: float | None = None
    reference_std: float | None = None
    source: str = ""

    @property
    def n_atoms(self) -> int:
        """Number of its atoms."""
        return len(self.atoms)


@dataclass(frozen=True, eq=False)
class RegionSet:
    """A structure and its regions, which do not overlap.

    Attributes
    ----------
    frame : the structure.
    regions : in the order they are shown.
    name : of the structure, to tell the regions of several apart; may be empty.

    Raises
    ------
    AnalysisError : regions that overlap, are empty, share a name or name atoms the structure does not have.
    """

    frame: Frame
    regions: tuple[Region, ...]
    name: str = ""

    def __post_init__(self) -> None:
        names = [region.name for region in self.regions]
        owner: dict[int, str] = {}
        for region in self.regions:
            if names.count(region.name) > 1:
                raise AnalysisError(f"two regions are called '{region.name}'", fix="Rename one of them")
            _check_atoms(region.name, region.atoms, self.frame.n_atoms)
            for atom in region.atoms.tolist():
                if atom in owner:
                    raise AnalysisError(
                        f"atom {atom} is in two regions, '{owner[atom]}' and '{region.name}'",
                        fix="Take it out of one of them",
                    )
                owner[atom] = region.name

    def title_of(self, region: Region) -> str:
        """Return the region's name, with the structure's before it where that has one."""
        return f"{self.name} {region.name}" if self.name else region.name

    def region(self, name: str) -> Region:
        """Return the region of this name; AnalysisError where there is none."""
        for region in self.regions:
            if region.name == name:
                return region
        known = ", ".join(r.name for r in self.regions) or "none"
        raise AnalysisError(f"there is no region '{name}'", fix=f"Regions are: {known}")

    def rest(self) -> np.ndarray:
        """Return the atoms in no region, (n,) int64."""
        taken = np.concatenate([np.zeros(0, dtype=np.int64), *(r.atoms for r in self.regions)])
        return np.setdiff1d(np.arange(self.frame.n_atoms), taken)

    def with_region(self, region: Region) -> RegionSet:
        """Return the set with one more region, whose atoms leave the others.

        A region of the same name is replaced; a region that loses all its atoms goes.
        """
        kept = []
        for old in self.regions:
            atoms = np.setdiff1d(old.atoms, region.atoms)
            if old.name == region.name or not len(atoms):
                continue
            same = len(atoms) == len(old.atoms)
            kept.append(old if same else Region(old.name, atoms, old.color_index))
        return RegionSet(self.frame, (*kept, region), self.name)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values that JSON can hold, the structure included."""
        regions = [{**vars(r), "atoms": [int(a) for a in r.atoms]} for r in self.regions]
        return {"name": self.name, "frame": plain_frame(self.frame), "regions": regions}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> RegionSet:
        """Rebuild from :meth:`to_dict`; AnalysisError where the values are damaged."""
        try:
            regions = tuple(_region_of(r) for r in values["regions"])
            return cls(frame_of(values["frame"]), regions, str(values["name"]))
        except (KeyError, TypeError, ValueError) as error:
            raise AnalysisError(
                f"the description of the regions is damaged ({type(error).__name__}: {error})",
                fix="Choose the regions again",
            ) from None


def indices_region(
    frame: Frame, name: str, indices: Sequence[int] | np.ndarray, color_index: int = 0
) -> Region:
    """Return a region of atoms chosen one by one; AnalysisError for none, or atoms the frame lacks."""
    atoms = np.unique(np.asarray(indices, dtype=np.int64).reshape(-1))
    _check_atoms(name, atoms, frame.n_atoms)
    return Region(name, atoms, color_index)


def _check_atoms(name: str, atoms: np.ndarray, n_atoms: int) -> None:
    if not len(atoms):
        raise AnalysisError(f"region '{name}' has no atoms", fix="Select at least one atom")
    foreign = atoms[(atoms < 0) | (atoms >= n_atoms)]
    if len(foreign):
        raise AnalysisError(
            f"region '{name}' has atom {foreign[0]}, the structure only atoms 0 to {n_atoms - 1}",
            fix="Choose the region again",
        )


def _region_of(values: Mapping[str, Any]) -> Region:
    def number(value: Any) -> float | None:
        return None if value is None else float(value)

    return Region(
        name=str(values["name"]),
        atoms=np.array(values["atoms"], dtype=np.int64),
        color_index=int(values["color_index"]),
        reference=number(values["reference"]),
        reference_std=number(values["reference_std"]),
        source=str(values["source"]),
    )


# files


def write_regions(path: str | Path, sets: Sequence[RegionSet]) -> None:
    """Write a regions file (JSON), whole or not at all; RunFolderError where it cannot be written."""
    FORMAT.write(Path(path), {"region_sets": [s.to_dict() for s in sets]})


def read_regions(path: str | Path) -> list[RegionSet]:
    """Read a regions file; AnalysisError where it is missing, damaged, foreign or of a newer Eatlas."""
    with FORMAT.reading(Path(path)) as document:
        return [RegionSet.from_dict(values) for values in document["region_sets"]]
