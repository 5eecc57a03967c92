"""Choosing the bulk and the surface of a structure, by depth or by what its atoms see."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nnpcore.errors import AnalysisError
from nnpcore.mapping.regions import BULK, OTHERS, SURFACE, Region, RegionSet
from nnpcore.structures.frame import Frame

if TYPE_CHECKING:
    from nnpcore.descriptors import SymmetryFunctions, Whitening

SURFACE_DEPTH = 6.0
"""Å: atoms deeper than the usual cutoff radius do not see the surface."""

SMALLEST_VACUUM = 4.0
"""Å: a narrower gap between the layers of a slab is no vacuum."""


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
        raise AnalysisError("the cell has no volume", where=frame.origin, fix="Give it three cell vectors")
    heights = (frame.positions @ _normal(frame, axis)) % period
    gap, cut = _widest_gap(heights, period)
    if gap < SMALLEST_VACUUM:
        raise AnalysisError(
            f"this is no slab: along its cell vector {'abc'[axis]} the widest gap between atoms is "
            f"{gap:.1f} Å, a vacuum has at least {SMALLEST_VACUUM:g} Å",
            where=frame.origin,
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
            f"the structure has no {functions.elements[species]}", where=frame.origin, fix="Choose another"
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
                f"region '{region}' is left empty: {text}", where=frame.origin, fix=f"Choose {hint}"
            )
    if not mine.all():
        parts[OTHERS] = ~mine
    regions = (Region(n, np.flatnonzero(c), k) for k, (n, c) in enumerate(parts.items()))
    return RegionSet(frame, tuple(regions), name)


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
