"""A known function of one number, of which only sums are shown: the smallest picture of atomic energies.

A network that sees sums of n values of a piecewise cubic function can learn the function itself, as it can
learn atomic energies from total energies. It cannot where the points lie in separate islands and every sum
takes a fixed number from each: an offset of one island against the others then cancels in every sum.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.interpolate import CubicSpline

from nnpcore.errors import SettingsError

Interval = tuple[float, float]


def piecewise_cubic(knots: np.ndarray, values: np.ndarray) -> CubicSpline:
    """Natural cubic spline through values at knots; raise :class:`SettingsError` for bad knots."""
    x, y = np.asarray(knots, dtype=np.float64), np.asarray(values, dtype=np.float64)
    if x.ndim != 1 or x.shape != y.shape or len(x) < 3 or not (np.diff(x) > 0).all():
        raise SettingsError(
            "a spline needs three or more rising knots with a value each", fix="Sort the knots"
        )
    return CubicSpline(x, y, bc_type="natural")


def random_cubic(n_knots: int = 7, seed: int = 0) -> CubicSpline:
    """Spline through values drawn uniformly from -1 to 1 at evenly spaced knots from 0 to 1."""
    values = np.random.default_rng(seed).uniform(-1.0, 1.0, n_knots)
    return piecewise_cubic(np.linspace(0.0, 1.0, n_knots), values)


@dataclass(frozen=True, eq=False)
class SumData:
    """Points and the sums of a function over them: all that a learner is shown.

    Attributes
    ----------
    points : (n_sums, n_terms).
    sums : (n_sums,), of the function's values at the points of each row.
    slopes : (n_sums, n_terms), d sum / d point: what forces are to atoms.
    islands : the intervals from which the points come, in order.
    counts : (n_sums, n_islands) int64, points from each island in each sum.
    """

    points: np.ndarray
    sums: np.ndarray
    slopes: np.ndarray
    islands: tuple[Interval, ...]
    counts: np.ndarray

    def invisible_offsets(self) -> np.ndarray:
        """Offsets of the islands, (n_invisible, n_islands), orthonormal rows, that change no sum at all.

        Empty where the sums alone settle every island's level.
        """
        _, sizes, directions = np.linalg.svd(self.counts.astype(np.float64))
        rank = int((sizes > 1e-10 * sizes[0]).sum())
        return directions[rank:]


def random_sums(function: CubicSpline, n_sums: int, n_terms: int, seed: int = 0) -> SumData:
    """Sums of the function at points drawn evenly from first to last knot: it can be learned."""
    return island_sums(function, n_sums, (n_terms,), ((function.x[0], function.x[-1]),), seed)


def island_sums(
    function: CubicSpline,
    n_sums: int,
    counts: Sequence[int],
    islands: Sequence[Interval] = ((0.0, 0.35), (0.65, 1.0)),
    seed: int = 0,
    *,
    mixed: bool = False,
) -> SumData:
    """Sums over points from separate islands, ``counts[k]`` of them from island k in every sum.

    With two or more islands the function cannot be learned from these: see
    :meth:`SumData.invisible_offsets`. With ``mixed`` each point picks its island at random, in proportion to
    ``counts``, and it can. Raises :class:`SettingsError` for counts and islands that do not fit.
    """
    if len(counts) != len(islands) or min(counts, default=0) < 1 or n_sums < 1:
        raise SettingsError(
            f"{n_sums} sums with counts {tuple(counts)} over {len(islands)} islands cannot be drawn",
            where="counts",
            fix="Give each island a count of one or more, and one sum or more",
        )
    if any(not low < high for low, high in islands):
        raise SettingsError("an island's end must lie above its beginning", where="islands")
    rng = np.random.default_rng(seed)
    shares = np.asarray(counts, dtype=np.float64) / sum(counts)
    home = np.tile(np.repeat(np.arange(len(counts)), counts), (n_sums, 1))
    if mixed:
        home = rng.choice(len(counts), size=home.shape, p=shares)
    low, high = np.array(islands).T
    points = low[home] + (high - low)[home] * rng.random(home.shape)
    found = (home[:, :, None] == np.arange(len(counts))).sum(axis=1)
    return SumData(points, function(points).sum(axis=1), function(points, 1), tuple(islands), found)
