"""Whether spreads are right in size: errors against spreads, and the one factor that makes them right.

An error ``e`` with the spread ``s`` is taken for a number drawn from a normal distribution of the standard
deviation ``f s``. The factor of the largest likelihood is then ``f² = <e² / s²>`` over all values (Musil et
al., J. Chem. Theory Comput. 15, 906 (2019)). Errors of one trajectory hang together, so its uncertainty
is that of leaving out one block of frames after the other (jackknife of ``ln f``: Efron & Stein, Ann. Stat.
9, 586 (1981)), not that of so many independent values. What all frames err by together, such as the pressure
at one volume, is a single draw that no block tells of: with the share ``c`` of the squares in the mean of
``e / s``, the sum of squares is as uncertain as one of ``1 / c²`` values.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from nnpcore.errors import AnalysisError
from nnpcore.mapping.correlation import rank_correlation

SPREADS = (1.0, 2.0)
"""Numbers of spreads within which errors are counted."""

WANTED = tuple(math.erf(k / math.sqrt(2.0)) for k in SPREADS)
"""Shares of a normal distribution within so many standard deviations: 0.683 and 0.954."""

SMALLEST = {"energy": 1e-6, "force": 1e-5, "pressure": 1e-8, "shear stress": 1e-8}
"""Spreads below, in eV/atom, eV/Å and eV/Å³, are rounding or symmetry, such as forces in a perfect
crystal."""

FREE = {"shear stress": 5}
"""Components of one value that are free of each other, where they are fewer than are compared."""

MOST_BINS, FEWEST_IN_BIN = 10, 8

WIDE = 3.0
"""Frames do not tell a factor whose bounds are more than so many times smaller and larger than it."""


@dataclass(frozen=True, eq=False)
class SpreadErrors:
    """Spreads of one quantity with the errors that came out.

    Attributes
    ----------
    quantity : "energy" (per atom), "force", "pressure" or "shear stress" (the stress without its pressure).
    spread : (n,) of what has one spread: a structure's energy or stress, an atom's force (root mean square
        over the components, so that it does not hang on the axes).
    errors : (n, k) errors of its components.
    block : (n,) int, which block of frames each is of.
    """

    quantity: str
    spread: np.ndarray
    errors: np.ndarray
    block: np.ndarray

    def __post_init__(self) -> None:
        n = len(self.spread)
        if self.errors.ndim != 2 or len(self.errors) != n or len(self.block) != n:
            raise ValueError(f"{n} spreads, errors {self.errors.shape}, blocks {self.block.shape}")

    @property
    def usable(self) -> SpreadErrors:
        """Those with finite errors and spreads that are more than rounding."""
        kept = np.isfinite(self.errors).all(axis=1) & (self.spread > SMALLEST[self.quantity])
        return SpreadErrors(self.quantity, self.spread[kept], self.errors[kept], self.block[kept])


@dataclass(frozen=True)
class Agreement:
    """How well spreads fit errors.

    Attributes
    ----------
    coverage : shares of the errors within one and two spreads; :data:`WANTED` where all is right.
    nll : negative log-likelihood for each value, of errors in eV/atom, eV/Å and eV/Å³.
    """

    coverage: tuple[float, ...]
    nll: float

    @classmethod
    def of(cls, data: SpreadErrors, factor: float) -> Agreement:
        """Compare errors with spreads times a factor."""
        scaled = factor * data.spread[:, None]
        within = np.abs(data.errors) / scaled
        nll = 0.5 * np.log(2.0 * np.pi * scaled**2) + 0.5 * within**2
        return cls(tuple(float((within <= k).mean()) for k in SPREADS), float(nll.mean()))


@dataclass(frozen=True, eq=False)
class CalibratedSpread:
    """One quantity's spreads against its errors.

    Attributes
    ----------
    quantity : see :class:`SpreadErrors`. whose : spread it is, such as "members".
    factor : that spreads are to be multiplied by. log_std : standard deviation of its logarithm by blocks of
        frames; NaN with one block.
    before, after : agreement as it is, and with the factor (on the same data).
    rank : Spearman's correlation of spread and error; near 0 spreads do not tell which errors are large, and
        no factor helps. NaN where that is not known.
    bin_spread, bin_error : (n_bins,) root mean squares in bins of as many values each, by growing spread.
    n : number of values. n_left_out : of those whose spread is rounding. n_blocks : blocks of frames.
    """

    quantity: str
    whose: str
    factor: float
    log_std: float
    before: Agreement
    after: Agreement
    rank: float
    bin_spread: np.ndarray = field(repr=False)
    bin_error: np.ndarray = field(repr=False)
    n: int
    n_left_out: int
    n_blocks: int

    @property
    def bounds(self) -> tuple[float, float]:
        """Factor less and plus two of its standard deviations (of the logarithm); NaN with one block."""
        width = math.exp(2.0 * self.log_std)
        return self.factor / width, self.factor * width

    @property
    def is_right(self) -> bool:
        """Whether the spread may be right in size: whether 1 lies within the bounds of its factor."""
        low, high = self.bounds
        return low <= 1.0 <= high

    @property
    def is_told(self) -> bool:
        """Whether the frames tell the factor; not where its bounds are wide, or not known."""
        low, _ = self.bounds
        return self.factor <= WIDE * low


def calibrate(data: SpreadErrors, whose: str) -> CalibratedSpread:
    """Find the factor for spreads, with its uncertainty, and the agreement before and after.

    Raises
    ------
    AnalysisError : no value with a spread and an error.
    """
    used = data.usable
    if not len(used.spread):
        raise AnalysisError(
            f"no {data.quantity} has a spread and an error to compare",
            fix="Take an ensemble of several networks, and frames with reference values",
        )
    factor = _factor(used)
    blocks = np.unique(used.block)
    bins = _bins(used)
    size = np.sqrt((used.errors**2).mean(axis=1))
    return CalibratedSpread(
        quantity=data.quantity,
        whose=whose,
        factor=factor,
        log_std=_log_std(used, blocks),
        before=Agreement.of(used, 1.0),
        after=Agreement.of(used, max(factor, 1e-12)),
        rank=rank_correlation(used.spread, size).value,
        bin_spread=bins[0],
        bin_error=bins[1],
        n=len(used.spread),
        n_left_out=len(data.spread) - len(used.spread),
        n_blocks=len(blocks),
    )


def _factor(data: SpreadErrors) -> float:
    return float(np.sqrt(((data.errors / data.spread[:, None]) ** 2).mean()))


def _log_std(data: SpreadErrors, blocks: np.ndarray) -> float:
    """Return the standard deviation of the factor's logarithm, by leaving out one block after the other.

    To it comes that of the error that all values have in common.
    """
    if len(blocks) < 2:
        return math.nan
    ratios = data.errors / data.spread[:, None]
    free = FREE[data.quantity] if data.quantity in FREE else data.errors.shape[1]
    common = float((ratios.mean(axis=0) ** 2).mean() / max((ratios**2).mean(), 1e-300))
    squares = (ratios**2).sum(axis=1)
    number = np.searchsorted(blocks, data.block)
    sums = np.bincount(number, squares, len(blocks))
    counts = np.bincount(number, minlength=len(blocks)) * data.errors.shape[1]
    left = (sums.sum() - sums) / (counts.sum() - counts)
    logs = 0.5 * np.log(np.maximum(left, 1e-300))
    by_blocks = (len(blocks) - 1) / len(blocks) * float(((logs - logs.mean()) ** 2).sum())
    return math.sqrt(by_blocks + _variance_of_log(free / max(common, 1e-6) ** 2))


def _variance_of_log(n: float) -> float:
    """Return the variance of the logarithm of a standard deviation that ``n`` normal values give."""
    from scipy import special

    return 0.25 * float(special.polygamma(1, n / 2))


def _bins(data: SpreadErrors) -> tuple[np.ndarray, np.ndarray]:
    order = np.argsort(data.spread, kind="stable")
    n_bins = int(np.clip(len(order) // FEWEST_IN_BIN, 1, MOST_BINS))
    parts = np.array_split(order, n_bins)
    spread = [np.sqrt((data.spread[part] ** 2).mean()) for part in parts]
    error = [np.sqrt((data.errors[part] ** 2).mean()) for part in parts]
    return np.array(spread), np.array(error)
