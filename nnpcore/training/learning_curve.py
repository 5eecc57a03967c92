"""A learning curve: error on test frames against the number of training frames, and what more would bring.

Test frames are the same for every point and no training sees them, not even to choose its best epoch:
that is done on validation frames, which are the same for every point, too. A training set is the beginning of
one random order of the rest, another one for each seed, so that smaller sets are parts of larger ones.

What more of the same data would bring is read off a power law, ``error = c n^-b``, fitted to the logarithms
of the trainings of the last sizes (Cortes et al., Adv. Neural Inf. Process. Syst. 6, 327 (1993); Huang & von
Lilienfeld, J. Chem. Phys. 145, 161102 (2016)). The rule, which was there before anything was measured: with
the 90 % interval of ``b``, more brings little where twice as many frames lower the error by less than 10 %
even at its upper end; it helps where they lower it by more at its lower end; else it is uncertain, or not
told where the interval is wider than the error itself.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from nnpcore.errors import DataError, SettingsError
from nnpcore.structures.isolated import isolated_of
from nnpcore.structures.overlap import refuse_overlap
from nnpcore.training.doubts import check_comparable
from nnpcore.training.leaving_out import Leaving
from nnpcore.training.quantities import QUANTITIES

if TYPE_CHECKING:
    from nnpcore.structures.frame import Frame
    from nnpcore.training.settings import TrainSettings

TEST_SHARE = 0.2
"""Share of the frames that is put aside for the test where the settings say none."""

FEWEST, MOST_SIZES = 4, 5
"""Frames of the smallest usual training set, and how many sizes there are by default, each half the next."""

USUAL_SEEDS = 2
MOST_TRAININGS = 60

LAST = 4
"""Sizes that the power law is fitted to."""

WIDE = 1.0
"""Points do not tell what twice as many frames leave of an error where the ends of the interval differ by
more than the error itself."""

LITTLE = 0.9
"""More of the same data brings little where twice as many frames leave more than this part of the error."""

CONFIDENCE = 0.9

MAPPING = "mapping"
NAMES = {"energy": "energy error", "force": "force error", MAPPING: "mapping error"}
"""What is shown, and how it is called in sentences."""

UNITS = {"energy": QUANTITIES["energy"].unit, "force": QUANTITIES["force"].unit, MAPPING: "meV/atom"}


# planning ---------------------------------------------------------------------------------------------
@dataclass(frozen=True, eq=False)
class LearningPlan:
    """What is trained on what.

    Attributes
    ----------
    settings : of all trainings but their seeds.
    pool : frames to train on. valid : that choose the best epoch. test : that errors are measured on.
    sizes : numbers of training frames, rising. seeds : of the first weights and the order of the frames.
    """

    settings: TrainSettings
    pool: tuple[Frame, ...]
    valid: tuple[Frame, ...]
    test: tuple[Frame, ...]
    sizes: tuple[int, ...]
    seeds: tuple[int, ...]

    def frames_of(self, n: int, seed: int) -> list[Frame]:
        """Return the first ``n`` training frames of a seed's order."""
        return [self.pool[k] for k in order_of(self.pool, seed)[:n]]

    def settings_of(self, seed: int) -> TrainSettings:
        """Return the settings of a seed's trainings."""
        return self.settings.replace(seed=seed)

    def name_of(self, n: int, seed: int) -> str:
        """Return the name of a training's folder."""
        return f"frames={n}-seed={seed}"

    @property
    def trainings(self) -> list[tuple[int, int]]:
        """(size, seed) of all trainings, small ones first."""
        return [(n, seed) for n in self.sizes for seed in self.seeds]


def order_of(frames: Sequence[Frame], seed: int) -> list[int]:
    """Return a random order of frames: isolated atoms first, then some that have all elements."""
    drawn = np.random.default_rng([seed, 14]).permutation(len(frames)).tolist()
    first = needed_of(frames, drawn)
    return [*first, *(k for k in drawn if k not in set(first))]


def needed_of(frames: Sequence[Frame], order: Sequence[int]) -> list[int]:
    """Return which frames no training can do without: isolated atoms, which fix a zero, and all elements."""
    isolated = isolated_of(frames)
    return [*isolated, *first_of_all(frames, [k for k in order if k not in set(isolated)])]


def first_of_all(frames: Sequence[Frame], order: Sequence[int]) -> list[int]:
    """Return those frames of an order that bring an element which none before has."""
    seen: set[int] = set()
    first = []
    for k in order:
        new = set(np.unique(frames[k].numbers).tolist()) - seen
        if new:
            first.append(k)
            seen |= new
    return first


def plan_learning(
    frames: Sequence[Frame],
    settings: TrainSettings,
    *,
    valid: Sequence[Frame] = (),
    test: Sequence[Frame] = (),
    sizes: Sequence[int] = (),
    n_seeds: int = USUAL_SEEDS,
) -> LearningPlan:
    """Divide frames and choose sizes.

    Parameters
    ----------
    frames : labelled ones; those that the settings leave out are in no training.
    settings : how to train; its ``split`` and ``group_key`` say what stays together when frames are put
        aside, its ``test_fraction`` (:data:`TEST_SHARE` where it is 0) and ``valid_fraction`` how many.
    valid, test : frames given for that; without them parts of ``frames``.
    sizes : numbers of training frames; by default all, half of them, a quarter and so on.

    Raises
    ------
    SettingsError : sizes that are none. DataError : too few frames,
        test frames among the others, with other elements, or without energies and forces.
    """
    leaving = Leaving.of(settings.left_out, frames, valid)
    settings = settings.replace(left_out=leaving.used)
    frames, valid = [frames[k] for k in leaving.kept_train], [valid[k] for k in leaving.kept_valid]
    aside = settings.replace(test_fraction=settings.test_fraction or (0.0 if test else TEST_SHARE))
    parts = aside.split_of(frames, valid=not valid, test=not test)
    pool, checked, tested = ([frames[k] for k in part] for part in parts)
    checked, tested = list(valid) or checked, list(test) or tested
    isolated = set(isolated_of(pool))
    known = [frame for k, frame in enumerate(pool) if k not in isolated]
    check_comparable(tested, known, settings, ("energy", "forces"))
    if test:
        refuse_overlap(tested, {"training": known, "validation": checked})
    least = len(needed_of(pool, range(len(pool))))
    found = checked_sizes(sizes, len(pool), least) if sizes else usual_sizes(len(pool), least)
    if not 1 <= n_seeds * len(found) <= MOST_TRAININGS:
        raise SettingsError(
            f"{n_seeds * len(found)} trainings are no learning curve",
            where="--seeds",
            fix=f"Choose sizes and seeds for 1 to {MOST_TRAININGS}",
        )
    seeds = tuple(settings.seed + k for k in range(n_seeds))
    return LearningPlan(settings, tuple(pool), tuple(checked), tuple(tested), found, seeds)


def usual_sizes(n: int, least: int = 1) -> tuple[int, ...]:
    """Return ``n``, its half, its quarter and so on; DataError where there are fewer than two sizes."""
    found = [math.ceil(n / 2**k) for k in range(MOST_SIZES) if math.ceil(n / 2**k) >= max(FEWEST, least)]
    if len(found) < 2:
        raise DataError(
            f"{n} {'frame is' if n == 1 else 'frames are'} left to train on, too few for a learning curve",
            fix="Add frames, or give files for --test and --valid",
        )
    return tuple(sorted(set(found)))


def checked_sizes(sizes: Sequence[int], n: int, least: int = 1) -> tuple[int, ...]:
    """Return sizes in order; SettingsError unless there are two and training frames suffice for each."""
    found = tuple(sorted(set(sizes)))
    if len(found) < 2:
        raise SettingsError("a learning curve needs two sizes or more", where="--points")
    if found[0] < least or found[-1] > n:
        raise SettingsError(
            f"sizes must lie between {least} and {n}: so many frames are left to train on",
            where="--points",
            fix="Choose others, or leave them out",
        )
    return found


# results ----------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class LearningPoint:
    """What one training has reached on the test frames; NaN where there is no reference.

    Attributes
    ----------
    n : training frames. seed, name : of the training; ``name`` is its folder's. run : id of the run.
    energy : RMSE, meV/atom. force : RMSE, eV/Å. mapping : the largest mapping error, meV/atom.
    foretold : spreads by the same names and in the same units that its training data are foretold to leave
        open.
    """

    n: int
    seed: int
    name: str
    run: str = ""
    energy: float = math.nan
    force: float = math.nan
    mapping: float = math.nan
    foretold: dict[str, float] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values that JSON can hold."""
        numbers = {name: _or_none(getattr(self, name)) for name in NAMES}
        foretold = {name: _or_none(value) for name, value in self.foretold.items()}
        return vars(self) | numbers | {"foretold": foretold}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> LearningPoint:
        """Rebuild from :meth:`to_dict`; KeyError, TypeError or ValueError where that is damaged."""
        found = cls(int(values["n"]), int(values["seed"]), str(values["name"]), str(values["run"]))
        foretold = {str(name): _number(value) for name, value in values["foretold"].items()}
        return replace(found, foretold=foretold, **{name: _number(values[name]) for name in NAMES})


def _or_none(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _number(value: Any) -> float:
    return math.nan if value is None else float(value)


@dataclass(frozen=True)
class Trend:
    """What a power law says of one error.

    Attributes
    ----------
    quantity : a key of :data:`NAMES`. n : frames of the largest training set. error : the fitted error there.
    exponent : b. low, high : ends of its 90 % interval; NaN where too few trainings tell.
    sizes : number of sizes it was fitted to.
    ended_at : the last size but one, where the error fell by less than half of what the power law says from
        there on, and by no more than trainings of one size scatter; else None.
    """

    quantity: str
    n: int
    error: float
    exponent: float
    low: float
    high: float
    sizes: int
    ended_at: int | None = None

    @property
    def says(self) -> Literal["little", "helps", "uncertain", "untold"]:
        """What more of the same data would bring."""
        little = -math.log2(LITTLE)
        if self.left(self.low) - self.left(self.high) > WIDE:
            return "untold"
        if self.high < little:
            return "little"
        return "helps" if self.low > little else "uncertain"

    def left(self, exponent: float) -> float:
        """Return which part of the error twice as many frames leave."""
        return 2.0**-exponent

    @property
    def rises(self) -> bool:
        """Whether the error rises with the number of frames, by a percentage that shows."""
        return round(100 * (1 - self.left(self.exponent))) < 0

    @property
    def to_halve(self) -> float:
        """How many times as many frames halve the error; infinite where they never do."""
        return 2.0 ** (1.0 / self.exponent) if self.exponent > 0 else math.inf

    @property
    def text(self) -> str:
        """What twice as many frames lower or raise, and by how much, as part of a sentence."""
        sign = -1.0 if self.rises else 1.0
        by, name = _percent(sign * (1 - self.left(self.exponent))), NAMES[self.quantity]
        if math.isnan(self.low):
            return f"the {name} by {by} ({self.sizes} sizes cannot tell how surely)"
        lower, upper = sorted(sign * (1 - self.left(end)) for end in (self.low, self.high))
        ends = f"{_percent(lower, '')} to {_percent(upper)}"
        if self.says == "helps":
            ends += f"; {_times(self.to_halve)} as many halve it"
        return f"the {name} by {by} ({ends})"


_STARTS = {
    "little": "More of the same data brings little",
    "helps": "More of the same data helps",
    "uncertain": "What more of the same data brings is uncertain",
}


def _percent(share: float, unit: str = " %") -> str:
    return f"{100 * share + 0.0:.0f}{unit}".replace("-0", "0").replace("-", "−")


def _times(factor: float) -> str:
    return f"{factor:.2g} times" if factor < 100 else "over 100 times"


def trend_of(quantity: str, points: Sequence[LearningPoint]) -> Trend | None:
    """Fit a power law to the trainings of the last sizes; None with fewer than two sizes."""
    known = [(p.n, getattr(p, quantity)) for p in points]
    known = [(n, error) for n, error in known if math.isfinite(error) and error > 0]
    sizes = sorted({n for n, _ in known})[-LAST:]
    if len(sizes) < 2:
        return None
    x, y = (np.log([pair[k] for pair in known if pair[0] >= sizes[0]]) for k in (0, 1))
    dx = x - x.mean()
    slope = float(dx @ y / (dx @ dx))
    left, free = y - y.mean() - slope * dx, len(x) - 2
    low = high = math.nan
    if len(sizes) > 2 and free > 0:
        width = _quantile(0.5 + CONFIDENCE / 2, free) * float(np.sqrt(left @ left / free / (dx @ dx)))
        low, high = -slope - width, -slope + width
    error = math.exp(float(y.mean()) + slope * (math.log(sizes[-1]) - float(x.mean())))
    ended = sizes[-2] if len(sizes) > 2 and _has_ended(x, y, -slope, left) else None
    return Trend(quantity, sizes[-1], error, -slope, low, high, len(sizes), ended)


def _has_ended(x: np.ndarray, y: np.ndarray, exponent: float, left: np.ndarray) -> bool:
    """Whether errors of the last size are those of the last but one within their scatter, unlike the law.

    The scatter is that of trainings of one size, or without several of one size about the power law.
    """
    groups = [y[x == size] for size in np.unique(x)]
    free = len(y) - len(groups)
    squares = sum(float(((own - own.mean()) ** 2).sum()) for own in groups)
    if free == 0:
        free, squares = len(y) - 2, float(left @ left)
    before, last = groups[-2:]
    fell = float(before.mean() - last.mean())
    scatter = math.sqrt(squares / free * (1 / len(before) + 1 / len(last)))
    foretold = exponent * float(np.ptp(np.unique(x)[-2:]))
    return fell < 0.5 * foretold and fell <= _quantile(CONFIDENCE, free) * scatter


def _quantile(share: float, free: int) -> float:
    from scipy import stats

    return float(stats.t.ppf(share, free))


def trends_of(points: Sequence[LearningPoint]) -> list[Trend]:
    """Return the trends of all errors that are known."""
    found = (trend_of(quantity, points) for quantity in NAMES)
    return [trend for trend in found if trend is not None]


def sentence(points: Sequence[LearningPoint], n_planned: int) -> str:
    """Say what more of the same data would bring, or how many trainings are still missing."""
    done = len(points)
    state = f"{done} of {n_planned} trainings are done." if done < n_planned else ""
    text = f"{trends_text(trends_of(points))} {foretold_text(points)}".strip()
    if state and text:
        return f"{state} So far: {text}"
    return text or state or "The trainings are of one size: they tell no trend."


def trends_text(trends: Sequence[Trend]) -> str:
    """Say what more of the same data would bring, in a sentence for each answer."""
    told = []
    for says, start in _STARTS.items():
        own = [trend for trend in trends if trend.says == says]
        verbs = {"lower": [t.text for t in own if not t.rises], "raise": [t.text for t in own if t.rises]}
        would = " and ".join(f"{verb} {' and '.join(texts)}" for verb, texts in verbs.items() if texts)
        if would:
            told.append(f"{start}: twice as many frames would {would}.")
    untold = _names(trend for trend in trends if trend.says == "untold")
    if untold:
        told.append(f"What more of the same data does to {untold} is not told by these points.")
    ended = [trend for trend in trends if trend.ended_at is not None and trend.says != "little"]
    for n in dict.fromkeys(trend.ended_at for trend in ended):
        same = [trend for trend in ended if trend.ended_at == n]
        text = f"From {n} to {same[0].n} frames {_names(same)} did not fall by more than the scatter"
        told.append(f"{text}: what more of the same brings may have ended.")
    return " ".join(told)


def _names(trends: Iterable[Trend]) -> str:
    return " and ".join(f"the {NAMES[trend.quantity]}" for trend in trends)


def foretold_text(points: Sequence[LearningPoint]) -> str:
    """Say whether more of the same data closes what data are foretold to leave open of the mapping."""
    spreads = means_of(points, MAPPING, foretold=True)
    trend = trend_of(MAPPING, [LearningPoint(n, 0, "", mapping=spread) for n, spread in spreads.items()])
    if trend is None:
        return ""
    left = f"± {spreads[trend.n]:.2g} {UNITS[MAPPING]} of the mapping"
    if trend.left(trend.exponent) > LITTLE:
        return (
            f"The data leave {left} open, foretold, which more of the same does not close: add other frames."
        )
    falls = _percent(1 - trend.left(trend.exponent))
    return f"The data leave {left} open, foretold, which falls by {falls} with twice as many frames."


def means_of(points: Sequence[LearningPoint], quantity: str, *, foretold: bool = False) -> dict[int, float]:
    """Return the geometric mean over the seeds by number of frames, of errors or foretold spreads."""
    found: dict[int, list[float]] = {}
    for point in points:
        value = point.foretold.get(quantity, math.nan) if foretold else getattr(point, quantity)
        if math.isfinite(value) and value > 0:
            found.setdefault(point.n, []).append(math.log(value))
    return {n: math.exp(sum(logs) / len(logs)) for n, logs in sorted(found.items())}
