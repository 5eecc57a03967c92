"""Partial radial distribution functions, by pair of elements and region."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from nnpcore.analyses.division import Labels
from nnpcore.analyses.graph import Analysis, Given, Missing
from nnpcore.analyses.inputs import LABELS, SHOWN_FRAMES
from nnpcore.descriptors.neighbors import neighbor_pairs

if TYPE_CHECKING:
    from nnpcore.structures.frame import Frame

LARGEST_DISTANCE = 10.0
"""Å: so far neighbors are counted, whatever the size of the cell."""

BIN_WIDTH = 0.05
"""Å."""

MAX_ATOMS = 30_000
"""Atoms whose neighbors are counted; of more, every n-th frame is taken."""


@dataclass(frozen=True, eq=False)
class RadialCurve:
    """How often atoms of one element stand at a distance from atoms of another.

    Attributes
    ----------
    elements : chemical symbols of the centers and of their neighbors.
    region : of the centers; empty for all atoms. Neighbors are counted in all regions.
    g : (n_bins,) number density of the neighbors over their mean one in the cell: 1 without any order.
    n_within : (n_bins,) neighbors of one center out to the far edge of each bin: the coordination number.
    """

    elements: tuple[str, str]
    region: str
    g: np.ndarray
    n_within: np.ndarray

    @property
    def name(self) -> str:
        """The pair, and the region where there is one: "Si-Si, surface"."""
        pair = "-".join(self.elements)
        return f"{pair}, {self.region}" if self.region else pair


@dataclass(frozen=True, eq=False)
class RadialDistributions:
    """Curves of all pairs of elements, then of every region.

    Attributes
    ----------
    key : of the frames. r : (n_bins,) Å, middles of the bins. edges : (n_bins + 1,) Å.
    n_frames, n_total : frames used, and how many there are.
    own_image : Å, from where on atoms see their own periodic images; infinite where they do not.
    """

    key: str
    r: np.ndarray
    edges: np.ndarray
    curves: tuple[RadialCurve, ...]
    n_frames: int
    n_total: int
    own_image: float = float("inf")

    def table(self) -> dict[str, np.ndarray]:
        """Return the curves as columns: distance, then g(r) and the coordination number of each."""
        columns = {"r (Å)": self.r}
        for curve in self.curves:
            columns[f"g, {curve.name}"] = curve.g
            columns[f"neighbors within r, {curve.name}"] = curve.n_within
        return columns


@dataclass
class _Counts:
    """Neighbors of some centers by distance; ``expected`` is per Å³ of shell, summed over the centers."""

    pairs: np.ndarray
    n_centers: int = 0
    expected: float = 0.0


def _distributions(given: Given) -> RadialDistributions | Missing:
    source, labels = given[SHOWN_FRAMES], given.get(LABELS)
    usable = [(k, f) for k, f in enumerate(source.frames) if np.all(f.pbc) and f.volume > 0.0]
    if not usable:
        why = "only a cell that is periodic in all three directions has a density to compare with"
        return Missing(why, "Choose a periodic structure")
    every = max(1, -(-sum(frame.n_atoms for _, frame in usable) // MAX_ATOMS))
    edges = np.arange(0.0, LARGEST_DISTANCE + 0.5 * BIN_WIDTH, BIN_WIDTH)
    counts: dict[tuple[str, int, int], _Counts] = {}
    chosen = usable[::every]
    own_image = float("inf")
    for done, (number, frame) in enumerate(chosen):
        given.progress.report(done / len(chosen), f"Neighbors in {source.name}")
        regions = _regions_of(source.key, number, frame, labels)
        own_image = min(own_image, _count(frame, regions, edges, counts))
    curves = _curves(counts, edges)
    middles = 0.5 * (edges[1:] + edges[:-1])
    return RadialDistributions(source.key, middles, edges, curves, len(chosen), len(source.frames), own_image)


def _regions_of(key: str, number: int, frame: Frame, labels: Labels | None) -> list[tuple[str, np.ndarray]]:
    """Return all atoms under "", then the atoms of every region of the frame."""
    atoms = np.arange(frame.n_atoms)
    parts = [] if labels is None else labels.parts("region", key, np.full(frame.n_atoms, number), atoms)
    return [("", atoms), *((part.name, part.rows) for part in parts)]


def _count(
    frame: Frame,
    regions: Sequence[tuple[str, np.ndarray]],
    edges: np.ndarray,
    counts: dict[tuple[str, int, int], _Counts],
) -> float:
    """Add a frame's pairs, periodic images included: an atom may be its own neighbor, and another's often.

    Returns the shortest distance of an atom to its own image, Å, infinite where none is counted.
    """
    found = neighbor_pairs(frame, float(edges[-1]))
    center = np.repeat(np.arange(frame.n_atoms), np.diff(found.start))
    distance = np.linalg.norm(found.vector, axis=1)
    elements = np.unique(frame.numbers).tolist()
    for name, atoms in regions:
        inside = np.zeros(frame.n_atoms, dtype=bool)
        inside[atoms] = True
        for a, b in product(elements, elements):
            is_center = inside & (frame.numbers == a)
            if not is_center.any():
                continue
            shown = is_center[center] & (frame.numbers[found.neighbor] == b)
            density = float(np.sum(frame.numbers == b)) / frame.volume
            known = counts.setdefault((name, a, b), _Counts(np.zeros(len(edges) - 1)))
            known.pairs += np.histogram(distance[shown], edges)[0]
            known.n_centers += int(is_center.sum())
            known.expected += int(is_center.sum()) * density
    return float(np.min(distance[center == found.neighbor], initial=np.inf))


def _curves(counts: dict[tuple[str, int, int], _Counts], edges: np.ndarray) -> tuple[RadialCurve, ...]:
    """Return those of all atoms, where A-B tells what B-A would, then of each region, where it does not."""
    from ase.data import chemical_symbols

    shells = 4.0 / 3.0 * np.pi * np.diff(edges**3)
    regions = list(dict.fromkeys(region for region, _, _ in counts))
    curves = []
    for region, a, b in sorted(counts, key=lambda key: (regions.index(key[0]), *key[1:])):
        if not region and a > b:
            continue
        known = counts[region, a, b]
        g = known.pairs / (known.expected * shells)
        within = np.cumsum(known.pairs) / known.n_centers
        curves.append(RadialCurve((chemical_symbols[a], chemical_symbols[b]), region, g, within))
    return tuple(curves)


RADIAL = Analysis(
    "radial",
    "Radial distribution functions",
    _distributions,
    needs=(SHOWN_FRAMES,),
    uses=(LABELS,),
    costly=True,
)
