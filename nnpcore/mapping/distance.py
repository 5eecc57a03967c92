"""Distance of points to the training set in whitened G space, and the bracket of volumes in its reach."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from nnpcore.errors import AnalysisError
from nnpcore.mapping.nearest import query, subsample, training_tree
from nnpcore.progress import Progress

QUANTILE = 0.99
"""Share of validation atoms that counts as in reach by definition."""

QUANTILE_OF_FEW = 0.95
"""The same of fewer atoms than :data:`FEW_ATOMS`, whose 99th percentile would be that of one odd frame."""

MAX_QUERIES = 20_000
"""Validation (or left-out training) atoms used for the threshold; more are thinned at random, seed 0."""

FEW_ATOMS = 1000
"""Validation atoms below which left-out training atoms are asked as well: a quantile of few atoms is luck."""


@dataclass(frozen=True, eq=False)
class Reach:
    """How far atoms of the kind the training set samples usually are from it.

    Attributes
    ----------
    threshold : quantile ``share`` of ``distances``.
    distances : (m,) of the validation atoms, then of training atoms to those of other frames. The latter
        are asked where there are fewer than :data:`FEW_ATOMS` of the former.
    n_left_out : how many of the latter. share : :data:`QUANTILE`, or :data:`QUANTILE_OF_FEW` where they
        were asked.
    n_atoms : how many atoms there were to ask.
    """

    threshold: float
    distances: np.ndarray
    n_left_out: int = 0
    share: float = QUANTILE
    n_atoms: int = 0

    @property
    def error(self) -> float:
        """Standard error of the threshold, as a quantile of so many distances (half of what lies between
        the quantiles one standard error of the share below and above it).
        """
        spread = np.sqrt(self.share * (1 - self.share) / len(self.distances))
        low, high = np.quantile(self.distances, np.clip([self.share - spread, self.share + spread], 0, 1))
        return float(high - low) / 2

    @property
    def sampling(self) -> str:
        """Say how many atoms were drawn of how many, and what that costs; "" where all were asked."""
        if len(self.distances) >= self.n_atoms:
            return ""
        drawn = f"{len(self.distances):,} of {self.n_atoms:,} atoms, drawn at random"
        known = f"{self.error / self.threshold:.1%}" if self.threshold > 0 else f"{self.error:.2g}"
        return f"{drawn}: the limit is known to ± {known}"

    @property
    def whose(self) -> str:
        """Say in a few words whose distances they are."""
        if not self.n_left_out:
            return "validation atoms"
        alone = self.n_left_out == len(self.distances)
        return "left-out training atoms" if alone else "validation and left-out training atoms"


@dataclass(frozen=True, eq=False)
class Bracket:
    """The contiguous range of volumes around V0 in reach of the training set.

    Attributes
    ----------
    low, high : Å³/atom, None when V0 itself is not in reach.
    threshold : largest distance that counts as in reach.
    volumes, distances : (n,) Å³/atom, and distance of each point to the nearest training atom (whitened
        units).
    in_reach : (n,) bool, distance within the threshold, also outside the bracket.
    low_open, high_open : whether the scan ends before the reach does.
    message : why there is no bracket, or empty.
    distance : of the crystal at its equilibrium volume; None where that lies outside the scan.
    """

    low: float | None
    high: float | None
    threshold: float
    volumes: np.ndarray
    distances: np.ndarray
    in_reach: np.ndarray
    low_open: bool = False
    high_open: bool = False
    message: str = ""
    distance: float | None = None

    def with_edges(self, volumes: np.ndarray, distances: np.ndarray, v0: float) -> Bracket:
        """Return the same bracket with edges told by further volumes (n,) within its own, and distances."""
        own = (volumes > self.volumes[0]) & (volumes < self.volumes[-1])
        order = np.argsort(np.concatenate([self.volumes, volumes[own]]), kind="stable")
        along = np.concatenate([self.volumes, volumes[own]])[order]
        far = np.concatenate([self.distances, distances[own]])[order]
        found = bracket_from_distances(along, far, v0, self.threshold)
        kept = {name: getattr(self, name) for name in ("volumes", "distances", "in_reach")}
        return replace(found, **kept)

    def contains(self, volumes: np.ndarray) -> np.ndarray:
        """Whether volumes (n,) lie inside, bounds included; (n,) bool."""
        if self.low is None or self.high is None:
            return np.zeros(len(volumes), dtype=bool)
        return (volumes >= self.low) & (volumes <= self.high)


def nearest_distances(
    points_x: np.ndarray, train_x: np.ndarray, *, progress: Progress | None = None
) -> np.ndarray:
    """Distance of each point (n, d) to the nearest training atom (m, d), both whitened; (n,).

    Raises
    ------
    AnalysisError : no training atoms.
    """
    return query(training_tree(train_x), points_x, 1, progress)[0][:, 0]


def left_out_distances(train_x: np.ndarray, frames: np.ndarray, queries: np.ndarray) -> np.ndarray:
    """Distance of some training atoms to the nearest one of another frame.

    Parameters
    ----------
    train_x : (m, d) whitened. frames : (m,) frame of each atom. queries : (n,) indices of the atoms
        asked about.

    Raises
    ------
    AnalysisError : all atoms are of one frame.
    """
    if len(np.unique(frames)) < 2:
        raise AnalysisError(
            "one training frame and no validation frames do not tell which distances are usual",
            fix="Add frames, or a validation set",
        )
    tree = training_tree(train_x)
    result = np.full(len(queries), np.inf)
    open_, k = np.arange(len(queries)), 8
    while len(open_):
        k = min(k, len(train_x))
        distances, neighbors = query(tree, train_x[queries[open_]], k)
        distances[frames[neighbors] == frames[queries[open_]][:, None]] = np.inf
        result[open_] = distances.min(axis=1)
        open_ = open_[np.isinf(result[open_])]
        k *= 4
    return result


def reach_of(
    train_x: np.ndarray,
    valid_x: np.ndarray | None = None,
    train_frames: np.ndarray | None = None,
    *,
    progress: Progress | None = None,
) -> Reach:
    """Measure which distances to the training set are usual (see :class:`Reach`).

    Parameters
    ----------
    train_x, valid_x : (m, d), (n, d) whitened atoms of one element; None or empty without a validation set.
    train_frames : (m,) frame of each training atom; needed without a validation set, and asked for more
        distances where that is small.
    """
    found: list[np.ndarray] = []
    n_atoms = 0
    if valid_x is not None and len(valid_x):
        asked = valid_x[subsample(len(valid_x), MAX_QUERIES)]
        found.append(nearest_distances(asked, train_x, progress=progress))
        n_atoms += len(valid_x)
    elif train_frames is None:
        raise AnalysisError("the reach of a training set needs validation atoms", fix="Add a validation set")
    n_left_out = 0
    if not found or (
        len(found[0]) < FEW_ATOMS and train_frames is not None and len(np.unique(train_frames)) > 1
    ):
        assert train_frames is not None
        asked = subsample(len(train_x), MAX_QUERIES)
        found.append(left_out_distances(train_x, train_frames, asked))
        n_left_out = len(asked)
        n_atoms += len(train_x)
    distances, share = np.concatenate(found), QUANTILE_OF_FEW if n_left_out else QUANTILE
    return Reach(float(np.quantile(distances, share)), distances, n_left_out, share, n_atoms)


def bracket_from_distances(
    volumes: np.ndarray, distances: np.ndarray, v0: float, threshold: float
) -> Bracket:
    """Find the volumes around V0 in reach of the training set.

    Parameters
    ----------
    volumes : (n,) Å³/atom, rising. v0 : Å³/atom.
    distances : (n,) of the invariant points to the nearest training atom, whitened units.
    threshold : of the :class:`Reach`.

    Edges are interpolated linearly in distance between the points around them. There is no bracket (None
    and a message) when V0 lies outside the scan or is not in reach itself.
    """
    in_reach = distances <= threshold
    nothing = Bracket(None, None, threshold, volumes, distances, in_reach)
    if not volumes[0] <= v0 <= volumes[-1]:
        text = f"the equilibrium volume {v0:.2f} Å³/atom lies outside the scan"
        return replace(nothing, message=text)
    distance = float(np.interp(v0, volumes, distances))
    if distance > threshold:
        text = (
            f"the crystal at its equilibrium volume is out of reach of the training set "
            f"(distance {distance:.2f}, usual up to {threshold:.2f})"
        )
        return replace(nothing, message=text, distance=distance)
    right = int(np.searchsorted(volumes, v0, side="left"))
    low, low_open = _edge(volumes, distances, v0, distance, threshold, range(right - 1, -1, -1))
    high, high_open = _edge(volumes, distances, v0, distance, threshold, range(right, len(volumes)))
    return Bracket(low, high, threshold, volumes, distances, in_reach, low_open, high_open, distance=distance)


def _edge(
    volumes: np.ndarray, distances: np.ndarray, v0: float, distance: float, threshold: float, steps: range
) -> tuple[float, bool]:
    """Walk from V0 to where the distance crosses the threshold; True if the scan ends first."""
    inner_v, inner_d = v0, distance
    for i in steps:
        if distances[i] > threshold:
            share = (threshold - inner_d) / (distances[i] - inner_d)
            return float(inner_v + share * (volumes[i] - inner_v)), False
        inner_v, inner_d = float(volumes[i]), float(distances[i])
    return inner_v, True
