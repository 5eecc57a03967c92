"""Connectivity of groups of atoms in whitened G space: one sea of points, or islands?

The paper defines its metric only in a supplement; this one is Eatlas's own. With the distance core(p) of
a point to its k-th nearest neighbor, points a and b count as joined at a threshold t when max(core(a),
core(b), |a - b|) <= t (the mutual-reachability distance of HDBSCAN). The bottleneck of groups A and B is
the smallest threshold at which one component of A ∪ B holds more than half of A and more than half of B
(their main bodies). As more than half of all points then have core <= t, connectivity = median core
distance of A ∪ B / bottleneck lies in (0, 1]: near 1, the groups are joined at the density they are
sampled with; well below, they are islands, prone to offsets that cancel.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from nnpcore.errors import AnalysisError
from nnpcore.mapping.nearest import core_distances, subsample
from nnpcore.progress import Progress

N_NEIGHBORS = 10
"""k of the core distance."""

MAX_POINTS = 2000
"""Points of a group that are used; more are thinned at random, seed 0 (time grows with the square)."""

LONG_EDGE, SMALLEST_ISLAND = 3.0, 0.05
"""An edge so many median core distances long parts islands; a smaller share of the points is none."""

_TWO_GROUPS = "Choose at least two groups of atoms"


@dataclass(frozen=True, eq=False)
class Link:
    """Two groups (or one group within itself) and their weakest link.

    Attributes
    ----------
    connectivity : in (0, 1].
    bottleneck : length of the weakest link, whitened units.
    median_core : median core distance of all points of both groups.
    groups, indices : the two ends of the weakest link: number of the group, and index of the point in
        the group as it was given (before thinning).
    """

    connectivity: float
    bottleneck: float
    median_core: float
    groups: tuple[int, int]
    indices: tuple[int, int]


@dataclass(frozen=True, eq=False)
class ConnectivityResult:
    """Connectivity of every pair of groups.

    Attributes
    ----------
    names : of the groups.
    n_points, n_used : (n_groups,) number of points as given, and after thinning.
    matrix : (n_groups, n_groups) symmetric, in (0, 1]; the diagonal tells how well a group hangs together.
    links : (i, j) with i <= j -> the weakest link.
    sampling_error : (n_groups, n_groups) standard error of ``matrix`` by the thinning: how far a second draw
        of other points is from this one, divided by √2; zero where nothing was thinned.
    """

    names: tuple[str, ...]
    n_points: np.ndarray
    n_used: np.ndarray
    matrix: np.ndarray
    links: dict[tuple[int, int], Link]
    sampling_error: np.ndarray

    @property
    def text(self) -> str:
        """The weakest pair in words, and whether points were thinned."""
        pairs = {pair: link for pair, link in self.links.items() if pair[0] != pair[1]}
        (i, j), link = min(pairs.items(), key=lambda item: item[1].connectivity)
        text = f"weakest: {self.names[i]} and {self.names[j]}, {link.connectivity:.2f}"
        thinned = np.flatnonzero(self.n_used < self.n_points)
        if len(thinned):
            error = self.sampling_error[i, j]
            text += f" ± {error:.2f} ({int(self.n_used.max())} atoms a group drawn at random)"
        return text


def connectivity(
    groups: Mapping[str, np.ndarray],
    *,
    n_neighbors: int = N_NEIGHBORS,
    max_points: int = MAX_POINTS,
    transform: Callable[[np.ndarray], np.ndarray] | None = None,
    progress: Progress | None = None,
) -> ConnectivityResult:
    """Compute the connectivity of every pair of groups (definition: top of this module).

    Parameters
    ----------
    groups : name -> (n, d) whitened atoms of one element.
    n_neighbors : k of the core distance; fewer where there are fewer points.
    max_points : groups with more points are thinned.
    transform : makes whitened atoms of the points that are used, where ``groups`` are not whitened yet.

    Raises
    ------
    AnalysisError : fewer than two groups, or a group without atoms.
    """
    progress = progress or Progress()
    names = tuple(groups)
    for name, points in groups.items():
        if len(points) == 0:
            raise AnalysisError(f"group '{name}' has no atoms", fix="Choose another group")
    if len(names) < 2:
        whole = groups if transform is None else {name: transform(x) for name, x in groups.items()}
        raise AnalysisError(_too_few(whole, n_neighbors, max_points), fix=_TWO_GROUPS)
    counts = np.array([len(x) for x in groups.values()])
    drawn = [_Draw.of(groups, max_points, transform)]
    if (counts > max_points).any():
        drawn.append(_Draw.of(groups, max_points, transform, seed=1))
    parts = progress.split(len(drawn))
    links = [draw.links(names, n_neighbors, part) for draw, part in zip(drawn, parts, strict=True)]
    matrices = [_matrix(len(names), found) for found in links]
    error = np.abs(matrices[0] - matrices[-1]) / np.sqrt(2)
    return ConnectivityResult(names, counts, np.minimum(counts, max_points), matrices[0], links[0], error)


@dataclass(frozen=True, eq=False)
class _Draw:
    """Points (n, d) that are used of each group, and which they are."""

    points: list[np.ndarray]
    kept: list[np.ndarray]

    @classmethod
    def of(
        cls,
        groups: Mapping[str, np.ndarray],
        most: int,
        transform: Callable[[np.ndarray], np.ndarray] | None,
        seed: int = 0,
    ) -> _Draw:
        kept = [subsample(len(points), most, seed) for points in groups.values()]
        points = [np.asarray(x, dtype=np.float64)[k] for x, k in zip(groups.values(), kept, strict=True)]
        return cls(points if transform is None else [transform(x) for x in points], kept)

    def links(self, names: Sequence[str], k: int, progress: Progress) -> dict[tuple[int, int], Link]:
        """Return the weakest link of every pair of groups."""
        pairs = [(i, j) for i in range(len(names)) for j in range(i, len(names))]
        found = {}
        for done, (i, j) in enumerate(pairs):
            progress.report(done / len(pairs), f"Connectivity of {names[i]} and {names[j]}")
            found[i, j] = _link(self.points, self.kept, i, j, k, progress)
        return found


def _matrix(n: int, links: Mapping[tuple[int, int], Link]) -> np.ndarray:
    matrix = np.ones((n, n))
    for (i, j), link in links.items():
        matrix[i, j] = matrix[j, i] = link.connectivity
    return matrix


@dataclass(frozen=True, eq=False)
class Islands:
    """How a single group of points falls apart.

    Attributes
    ----------
    label : (n,) int64, island of every point that was used, 0 the largest; -1 for points in none.
    sizes : number of points of each island, falling.
    kept : (n,) indices of the points that were used.
    gap : threshold at which the first two of them join; 0 for one island.
    median_core : median core distance.
    """

    label: np.ndarray
    sizes: tuple[int, ...]
    kept: np.ndarray
    gap: float
    median_core: float

    @property
    def text(self) -> str:
        """In words."""
        if len(self.sizes) == 1:
            return "its atoms hang together"
        shares = [f"{100 * size / len(self.label):.0f} %" for size in self.sizes]
        listed = f"{', '.join(shares[:-1])} and {shares[-1]}"
        return (
            f"its atoms form {len(self.sizes)} islands ({listed} of them), apart by {self.gap:.2g} where "
            f"their usual distance is {self.median_core:.2g}"
        )


def islands(points: np.ndarray, *, n_neighbors: int = N_NEIGHBORS, max_points: int = MAX_POINTS) -> Islands:
    """Cut the spanning tree of one group (n, d) at its long edges and return the parts that are large.

    An edge is long from three times the median core distance on; a part is large from 5 % of the points on.
    """
    kept = subsample(len(points), max_points)
    x = np.asarray(points, dtype=np.float64)[kept]
    core = core_distances(x, n_neighbors)
    edges, lengths = spanning_tree(x, core)
    median = float(np.median(core))
    long = lengths > LONG_EDGE * median
    parent = list(range(len(x)))
    for a, b in edges[~long].tolist():
        parent[_root(parent, b)] = _root(parent, a)
    roots = np.array([_root(parent, i) for i in range(len(x))])
    found, counts = np.unique(roots, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    large = [int(found[k]) for k in order if counts[k] >= SMALLEST_ISLAND * len(x)] or [int(found[order[0]])]
    rank = {root: k for k, root in enumerate(large)}
    gap = _first_bridge(parent, set(large), edges[long], lengths[long])
    label = np.array([rank.get(int(root), -1) for root in roots], dtype=np.int64)
    return Islands(label, tuple(np.bincount(label[label >= 0]).tolist()), kept, gap, median)


def _first_bridge(parent: list[int], large: set[int], edges: np.ndarray, lengths: np.ndarray) -> float:
    """Length of the edge (sorted by length) that first joins two of the ``large`` components; 0 for none."""
    for (a, b), length in zip(edges.tolist(), lengths.tolist(), strict=True):
        a, b = _root(parent, a), _root(parent, b)
        if a in large and b in large:
            return length
        parent[b] = a
        if b in large:
            large = large - {b} | {a}
    return 0.0


def _too_few(groups: Mapping[str, np.ndarray], n_neighbors: int, max_points: int) -> str:
    if not groups:
        return "there are no groups to compare"
    ((name, points),) = groups.items()
    text = "connectivity compares groups, and there is only one"
    found = islands(points, n_neighbors=n_neighbors, max_points=max_points)
    return text if len(found.sizes) == 1 else f"{text}; '{name}' by itself is disconnected: {found.text}"


def _link(
    points: list[np.ndarray], kept: list[np.ndarray], i: int, j: int, k: int, progress: Progress
) -> Link:
    members = [i] if i == j else [i, j]
    x = np.concatenate([points[m] for m in members])
    group = np.repeat(np.arange(len(members)), [len(points[m]) for m in members])
    original = np.concatenate([kept[m] for m in members])
    core = core_distances(x, k)
    edges, lengths = spanning_tree(x, core, progress)
    weakest = _joining_edge(edges, group)
    bottleneck = float(lengths[weakest]) if weakest is not None else float(np.median(core))
    a, b = edges[weakest] if weakest is not None else (0, 0)
    median = float(np.median(core))
    return Link(
        connectivity=median / bottleneck if bottleneck > 0.0 else 1.0,
        bottleneck=bottleneck,
        median_core=median,
        groups=(members[group[a]], members[group[b]]),
        indices=(int(original[a]), int(original[b])),
    )


_STEPS = 256
"""Edges of the tree between two looks at the cancel flag."""


def spanning_tree(
    x: np.ndarray, core: np.ndarray, progress: Progress | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Minimum spanning tree under the mutual-reachability distance, by Prim's algorithm: exact, memory O(n).

    Returns edges (n - 1, 2) and their lengths (n - 1,), sorted by length.
    """
    from nnpcore.mapping.tree_kernel import grow_tree

    n = len(x)
    points, core2 = np.ascontiguousarray(x, dtype=np.float64), np.asarray(core, dtype=np.float64) ** 2
    best, parent = np.full(n, np.inf), np.zeros(n, dtype=np.int64)
    edges, lengths = np.empty((n - 1, 2), dtype=np.int64), np.empty(n - 1)
    outside = np.ones(n, dtype=bool)
    current = 0
    for start in range(0, n - 1, _STEPS):
        if progress is not None:
            progress.check()
        stop = min(start + _STEPS, n - 1)
        current = grow_tree(points, core2, outside, best, parent, edges, lengths, current, start, stop)
    order = np.argsort(lengths, kind="stable")
    return edges[order], np.sqrt(np.maximum(lengths[order], 0.0))


def _joining_edge(edges: np.ndarray, group: np.ndarray) -> int | None:
    """Index of the edge (sorted by length) that first lets one component hold more than half of each group.

    None where a single point is more than half (a lone point compared with itself).
    """
    sizes = np.bincount(group)
    counts = np.zeros((len(group), len(sizes)), dtype=np.int64)
    counts[np.arange(len(group)), group] = 1
    parent = list(range(len(group)))
    for index, (a, b) in enumerate(edges.tolist()):
        a, b = _root(parent, a), _root(parent, b)
        parent[b] = a
        counts[a] += counts[b]
        if (2 * counts[a] > sizes).all():
            return index
    return None


def _root(parent: list[int], node: int) -> int:
    while parent[node] != node:
        parent[node] = parent[parent[node]]
        node = parent[node]
    return node
