"""Regions: named groups of atoms of one structure whose mean atomic energy the reference is known to have.

In a slab the atoms deep inside see what a crystal's atoms see, so that their energy is the crystal's at its
equilibrium; what remains of the total energy is the surface's.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nnpcore.errors import AnalysisError
from nnpcore.files import write_atomically
from nnpcore.structures.frame import Frame

if TYPE_CHECKING:
    from nnpcore.descriptors import SymmetryFunctions, Whitening

FORMAT, FORMAT_VERSION = "eatlas regions", 1
BULK, SURFACE, OTHERS = "bulk", "surface", "other elements"
SURFACE_DEPTH = 6.0
"""Å: atoms deeper than the usual cutoff radius do not see the surface."""

SMALLEST_VACUUM = 4.0
"""Å: a narrower gap between the layers of a slab is no vacuum."""

EXACT = "exact atomic energies"
EXACT_ENERGIES = "reference_energies"
"""Name of the per-atom array of a frame with the reference's own atomic energies, eV."""


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


def write_regions(path: str | Path, sets: Sequence[RegionSet]) -> None:
    """Write a regions file (JSON), whole or not at all; RunFolderError where it cannot be written."""
    document = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "region_sets": [s.to_dict() for s in sets],
    }
    write_atomically(Path(path), json.dumps(document, indent=1).encode())


def read_regions(path: str | Path) -> list[RegionSet]:
    """Read a regions file; AnalysisError where it is missing, damaged, foreign or of a newer Eatlas."""
    try:
        document = json.loads(Path(path).read_text(encoding="utf-8"))
        if document["format"] != FORMAT:
            raise ValueError(f"format {document['format']!r}")
        if document["format_version"] > FORMAT_VERSION:
            raise AnalysisError(
                "these regions were saved by a newer Eatlas", fix="Update Eatlas to open them"
            )
        return [RegionSet.from_dict(values) for values in document["region_sets"]]
    except OSError as error:
        what = f"the regions cannot be read ({error.strerror})"
    except (ValueError, KeyError, TypeError) as error:
        what = f"this is not a file of regions ({error})"
    except AnalysisError as error:
        raise AnalysisError(error.what, where=str(path), fix=error.fix) from None
    raise AnalysisError(what, where=str(path), fix="Choose another file, or choose the regions again")


# choosing regions


def depth_regions(
    frame: Frame,
    *,
    surface_depth: float | None = None,
    bulk_half_width: float | None = None,
    axis: int = 2,
    name: str = "",
) -> RegionSet:
    """Split a slab into "bulk" and "surface" by depth below its outermost atoms.

    Parameters
    ----------
    frame : a slab, or anything with an inside and two faces along ``axis``.
    surface_depth : Å; atoms nearer to either outermost atom belong to the surface. 6 Å where neither this
        nor ``bulk_half_width`` is given.
    bulk_half_width : Å, instead: atoms at most so far from the middle of the slab are bulk.
    axis : cell vector along which the vacuum lies; depth is measured at right angles to the other two.
    name : of the structure.

    Raises
    ------
    AnalysisError : no vacuum along the axis; a region left empty; both lengths, or one that is not positive.
    """
    if surface_depth is not None and bulk_half_width is not None:
        raise AnalysisError("a depth and a half width exclude each other", fix="Give one of them")
    length = bulk_half_width if surface_depth is None else surface_depth
    length = SURFACE_DEPTH if length is None else length
    if not (np.isfinite(length) and length > 0):
        raise AnalysisError(f"{length:g} Å is no depth of a region", fix="Choose a positive length")
    heights = slab_heights(frame, axis)
    low, high = float(heights.min()), float(heights.max())
    if bulk_half_width is None:
        is_bulk = np.minimum(heights - low, high - heights) >= length
        hints = ("a smaller surface depth", "a larger surface depth")
    else:
        is_bulk = np.abs(heights - 0.5 * (low + high)) <= length
        hints = ("a larger half width", "a smaller half width")
    thick = f"the slab is {high - low:.1f} Å thick"
    return _two_regions(frame, is_bulk, name, thick, hints)


def slab_heights(frame: Frame, axis: int = 2) -> np.ndarray:
    """Return the height of every atom (n,), Å, across a slab that is whole: cut open in its vacuum.

    Raises
    ------
    AnalysisError : no gap of 4 Å or more along a periodic ``axis``, or no cell vectors across it.
    """
    if not frame.pbc[axis]:
        return frame.positions @ _normal(frame, axis)
    period = abs(float(frame.cell[axis] @ _normal(frame, axis)))
    if period <= 0.0:
        raise AnalysisError("the cell has no volume", where=_label(frame), fix="Give it three cell vectors")
    heights = (frame.positions @ _normal(frame, axis)) % period
    gap, cut = _widest_gap(heights, period)
    if gap < SMALLEST_VACUUM:
        raise AnalysisError(
            f"this is no slab: along its cell vector {'abc'[axis]} the widest gap between atoms is "
            f"{gap:.1f} Å, a vacuum has at least {SMALLEST_VACUUM:g} Å",
            where=_label(frame),
            fix="Choose the cell vector along which the vacuum lies, or another structure",
        )
    return np.where(heights < cut, heights + period, heights)


def distance_regions(
    frame: Frame,
    functions: SymmetryFunctions,
    whitening: Whitening,
    crystal_values: np.ndarray,
    threshold: float | None = None,
    *,
    element: str | None = None,
    name: str = "",
    n_threads: int | None = None,
) -> RegionSet:
    """Split a structure into "bulk" and "surface" by the distance of each atom's G to the crystal's.

    Parameters
    ----------
    crystal_values : (k, n_descriptors) symmetry functions of the crystal's atoms, at one or more volumes.
    threshold : whitened units; atoms at most so far from the nearest of them are bulk. None puts it into
        the widest gap between the sorted distances.
    element : of the crystal; needed where ``functions`` have several. Atoms of others form a region of
        their own.

    Raises
    ------
    AnalysisError : a region left empty, no crystal, or an element missing.
    """
    from nnpcore.descriptors import compute_descriptors

    found = compute_descriptors([frame], functions, derivatives=False, n_threads=n_threads)
    species = _species_of(functions, element)
    candidates = found.species == species
    if not candidates.any():
        raise AnalysisError(
            f"the structure has no {functions.elements[species]}", where=_label(frame), fix="Choose another"
        )
    distances = crystal_distances(found.values[candidates], crystal_values, whitening, species)
    limit = _gap_threshold(distances) if threshold is None else threshold
    is_bulk = np.zeros(frame.n_atoms, dtype=bool)
    is_bulk[candidates] = distances <= limit
    text = f"distances to the crystal run from {distances.min():.2f} to {distances.max():.2f}"
    return _two_regions(frame, is_bulk, name, text, ("a larger threshold", "a smaller threshold"), candidates)


def crystal_distances(
    values: np.ndarray, crystal_values: np.ndarray, whitening: Whitening, species: int
) -> np.ndarray:
    """Distance (n,) of one element's atoms (n, n_descriptors) to the nearest crystal atom, whitened units."""
    from nnpcore.mapping.distance import nearest_distances

    if not len(crystal_values):
        raise AnalysisError("there is no crystal to compare with", fix="Add a crystal (EOS role)")
    x = whitening.transform(values, np.full(len(values), species))
    crystal = whitening.transform(crystal_values, np.full(len(crystal_values), species))
    return nearest_distances(x, crystal)


def indices_region(
    frame: Frame, name: str, indices: Sequence[int] | np.ndarray, color_index: int = 0
) -> Region:
    """Return a region of atoms chosen one by one; AnalysisError for none, or atoms the frame lacks."""
    atoms = np.unique(np.asarray(indices, dtype=np.int64).reshape(-1))
    _check_atoms(name, atoms, frame.n_atoms)
    return Region(name, atoms, color_index)


# reference values


def with_references(
    region_set: RegionSet,
    *,
    crystal_energy: float | None = None,
    exact: np.ndarray | None = None,
    bulk: str = BULK,
) -> RegionSet:
    """Return the set with the reference value of every region that can be known.

    Parameters
    ----------
    crystal_energy : eV per atom of the crystal at its equilibrium volume. The bulk region gets this value,
        and a single remaining one ``[E_tot - N_b E_b] / N_s`` from the structure's energy; several remaining
        ones cannot be told apart and stay without.
    exact : (n_atoms,) eV, atomic energies of a reference that has them. Without either, those that the
        structure itself carries are taken.
    bulk : name of the region that is like the crystal.

    Raises
    ------
    AnalysisError : neither is known; no region called ``bulk``; energies that do not fit the structure.
    """
    if exact is None and crystal_energy is None:
        exact = region_set.frame.arrays.get(EXACT_ENERGIES)
        if exact is None:
            raise AnalysisError(
                "nothing tells what the atoms of these regions cost: there is neither the crystal's energy "
                "nor atomic energies of the reference",
                where=_label(region_set.frame),
                fix="Add a crystal with energies (EOS role)",
            )
    if exact is not None:
        return replace(region_set, regions=_exact(region_set, np.asarray(exact, dtype=np.float64)))
    assert crystal_energy is not None
    return replace(region_set, regions=_from_total(region_set, float(crystal_energy), bulk))


def _exact(region_set: RegionSet, energies: np.ndarray) -> tuple[Region, ...]:
    if energies.shape != (region_set.frame.n_atoms,) or not np.isfinite(energies).all():
        raise AnalysisError(
            f"the reference gives {energies.size} atomic energies for {region_set.frame.n_atoms} atoms, or "
            "some that are not numbers",
            where=_label(region_set.frame),
            fix="Compute them again for this structure",
        )
    chosen = [(r, energies[r.atoms]) for r in region_set.regions]
    return tuple(
        replace(r, reference=float(e.mean()), reference_std=float(e.std()), source=EXACT) for r, e in chosen
    )


def _from_total(region_set: RegionSet, crystal_energy: float, bulk: str) -> tuple[Region, ...]:
    inside, frame = region_set.region(bulk), region_set.frame
    others = [r for r in region_set.regions if r is not inside]
    known = {inside.name: (crystal_energy, "the crystal at its equilibrium volume")}
    if len(others) == 1 and frame.energy is not None and not len(region_set.rest()):
        rest = (frame.energy - inside.n_atoms * crystal_energy) / others[0].n_atoms
        known[others[0].name] = (rest, f"total energy less {inside.n_atoms} atoms of {bulk}, per atom")
    return tuple(
        replace(r, reference=value, reference_std=None, source=source)
        for r in region_set.regions
        for value, source in [known.get(r.name, (None, ""))]
    )


# small parts


def _two_regions(
    frame: Frame,
    is_bulk: np.ndarray,
    name: str,
    text: str,
    hints: tuple[str, str],
    candidates: np.ndarray | None = None,
) -> RegionSet:
    """Return bulk and surface of the candidates; the other atoms are a region of their own."""
    mine = np.ones(len(is_bulk), dtype=bool) if candidates is None else candidates
    parts = {BULK: is_bulk & mine, SURFACE: mine & ~is_bulk}
    for (region, chosen), hint in zip(parts.items(), hints, strict=True):
        if not chosen.any():
            raise AnalysisError(
                f"region '{region}' is left empty: {text}", where=_label(frame), fix=f"Choose {hint}"
            )
    if not mine.all():
        parts[OTHERS] = ~mine
    regions = (Region(n, np.flatnonzero(c), k) for k, (n, c) in enumerate(parts.items()))
    return RegionSet(frame, tuple(regions), name)


def _check_atoms(name: str, atoms: np.ndarray, n_atoms: int) -> None:
    if not len(atoms):
        raise AnalysisError(f"region '{name}' has no atoms", fix="Select at least one atom")
    foreign = atoms[(atoms < 0) | (atoms >= n_atoms)]
    if len(foreign):
        raise AnalysisError(
            f"region '{name}' has atom {foreign[0]}, the structure only atoms 0 to {n_atoms - 1}",
            fix="Choose the region again",
        )


def _normal(frame: Frame, axis: int) -> np.ndarray:
    """Unit vector at right angles to the two cell vectors other than ``axis``; x, y or z without them."""
    cross = np.cross(frame.cell[(axis + 1) % 3], frame.cell[(axis + 2) % 3])
    length = float(np.linalg.norm(cross))
    return cross / length if length > 0 else np.eye(3)[axis]


def _widest_gap(heights: np.ndarray, period: float) -> tuple[float, float]:
    """Return the widest gap of heights on a ring, and the height where the slab goes on above it."""
    ordered = np.sort(heights)
    gaps = np.diff(np.append(ordered, ordered[0] + period))
    widest = int(gaps.argmax())
    return float(gaps[widest]), float(ordered[(widest + 1) % len(ordered)])


def _gap_threshold(distances: np.ndarray) -> float:
    ordered = np.sort(distances)
    if len(ordered) < 2:
        return float(ordered[0])
    k = int(np.diff(ordered).argmax())
    return 0.5 * float(ordered[k] + ordered[k + 1])


def _species_of(functions: SymmetryFunctions, element: str | None) -> int:
    if element is None and len(functions.elements) == 1:
        return 0
    if element not in functions.elements:
        raise AnalysisError(
            f"it is not known which of {', '.join(functions.elements)} the crystal is made of",
            fix="Name its element",
        )
    return functions.elements.index(element)


def _label(frame: Frame) -> str:
    return f"{frame.source}, frame {frame.index}" if frame.source else ""


def plain_frame(frame: Frame) -> dict[str, Any]:
    """Return a structure as plain values for JSON, with its energy and exact atomic energies."""
    exact = frame.arrays.get(EXACT_ENERGIES)
    return {
        "numbers": frame.numbers.tolist(),
        "positions": frame.positions.tolist(),
        "cell": frame.cell.tolist(),
        "pbc": [bool(p) for p in frame.pbc],
        "energy": frame.energy,
        EXACT_ENERGIES: None if exact is None else np.asarray(exact, dtype=float).tolist(),
        "source": frame.source,
        "index": frame.index,
    }


def frame_of(values: Mapping[str, Any]) -> Frame:
    """Rebuild a structure from :func:`plain_frame`; KeyError, TypeError or ValueError where damaged."""
    numbers = np.array(values["numbers"], dtype=np.int32)
    exact = values.get(EXACT_ENERGIES)
    return Frame(
        numbers=numbers,
        positions=np.array(values["positions"], dtype=np.float64).reshape(len(numbers), 3),
        cell=np.array(values["cell"], dtype=np.float64).reshape(3, 3),
        pbc=np.array(values["pbc"], dtype=bool).reshape(3),
        energy=None if values["energy"] is None else float(values["energy"]),
        arrays={} if exact is None else {EXACT_ENERGIES: np.array(exact, dtype=np.float64)},
        source=str(values["source"]),
        index=int(values["index"]),
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
