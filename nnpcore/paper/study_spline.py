"""The paper's supplement: a small network that is shown only sums of a function learns the function itself.

And the counter-example: where the points of every sum come in fixed numbers from separate islands, the
islands' levels may shift against each other without any sum changing, and nobody can learn them. Slopes (what
forces are to atoms) do not help; sums that mix the islands differently do.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from scipy.interpolate import CubicSpline
from scipy.optimize import least_squares

from nnpcore.figures.drawing import DASHES, OKABE_ITO, add_legend, new_figure, style_axes
from nnpcore.paper.claims import Claim
from nnpcore.paper.context import StudyContext, StudyOutcome
from nnpcore.paper.function_sums import SumData, island_sums, random_cubic, random_sums

N_TERMS = 10
N_KNOTS = 7
WIDTH = 16
MAX_STEPS = 80
SLOPE_WEIGHT = 0.1
FUNCTION_SEED = 3
"""Of the function's values at its knots; any other does as well."""


@dataclass(frozen=True, eq=False)
class SumCase:
    """One way of drawing sums, and what the networks make of it.

    Attributes
    ----------
    title : for a person.
    data, test : sums the networks are fitted to, and others of the same kind.
    members : (n_members, n_grid) the networks on ``grid`` (n_grid,).
    truth : (n_grid,) the function.
    sum_rmse : (n_members,) per term, on the test sums.
    """

    title: str
    data: SumData
    test: SumData
    grid: np.ndarray
    members: np.ndarray
    truth: np.ndarray
    sum_rmse: np.ndarray

    def inside(self, island: int) -> np.ndarray:
        """Return which grid points (n_grid,) bool lie in an island."""
        low, high = self.data.islands[island]
        return (self.grid >= low) & (self.grid <= high)

    @property
    def errors(self) -> np.ndarray:
        """Deviation (n_members, n) on all islands together."""
        seen = np.any([self.inside(k) for k in range(len(self.data.islands))], axis=0)
        return (self.members - self.truth)[:, seen]

    @property
    def rmse(self) -> float:
        """Root-mean-square deviation of a single network from the function, where there are points."""
        return float(np.sqrt(np.mean(self.errors**2)))

    def offsets(self) -> np.ndarray:
        """Mean deviation (n_members, n_islands) in every island."""
        deviation = self.members - self.truth
        n = len(self.data.islands)
        return np.stack([deviation[:, self.inside(k)].mean(axis=1) for k in range(n)], axis=1)

    def shape_rmse(self) -> float:
        """Root-mean-square deviation within the islands after taking off each island's own offset."""
        deviation, offsets = self.members - self.truth, self.offsets()
        n = len(self.data.islands)
        parts = [deviation[:, self.inside(k)] - offsets[:, [k]] for k in range(n)]
        return float(np.sqrt(np.mean(np.concatenate(parts, axis=1) ** 2)))


def run(context: StudyContext) -> StudyOutcome:
    """Fit networks to sums over the whole domain, over two islands, and over mixed islands."""
    function = random_cubic(N_KNOTS, FUNCTION_SEED)
    n_sums = context.choose(400, 150)

    def drawn(sums: Callable[[int, int], SumData]) -> tuple[SumData, SumData]:
        """Return sums to fit networks to, and others to test them."""
        return sums(n_sums, 2 * context.seed), sums(200, 2 * context.seed + 1)

    counts = (N_TERMS // 2, N_TERMS // 2)
    whole = drawn(lambda n, seed: random_sums(function, n, N_TERMS, seed))
    apart = drawn(lambda n, seed: island_sums(function, n, counts, seed=seed))
    mixed = drawn(lambda n, seed: island_sums(function, n, counts, seed=seed, mixed=True))
    jobs = {
        "sums": ("Sums over the whole range", whole, 0.0),
        "islands": ("Two islands, five points from each", apart, 0.0),
        "slopes": ("Two islands, slopes known, too", apart, SLOPE_WEIGHT),
        "mixed": ("Two islands, mixed at random", mixed, 0.0),
    }
    cases = {}
    for number, (name, (title, (data, test), weight)) in enumerate(jobs.items()):
        context.report(number / len(jobs), title)
        cases[name] = _fit_case(context, function, title, data, test, weight)
    figures = context.save_figure(_figure(cases), "spline")
    return StudyOutcome(_claims(cases), figures, _tables(context, cases))


def _fit_case(
    context: StudyContext,
    function: CubicSpline,
    title: str,
    data: SumData,
    test: SumData,
    slope_weight: float,
) -> SumCase:
    grid = np.linspace(function.x[0], function.x[-1], 301)
    networks = []
    for member in range(context.choose(10, 5)):
        context.progress.check()
        networks.append(fit_network(data, WIDTH, [context.seed, member], slope_weight))
    rmse = [float(np.sqrt(np.mean((net.sums(test.points) - test.sums) ** 2))) / N_TERMS for net in networks]
    members = np.stack([net(grid) for net in networks])
    return SumCase(title, data, test, grid, members, function(grid), np.array(rmse))


# the network ------------------------------------------------------------------------------------------
@dataclass(frozen=True, eq=False)
class SumNetwork:
    """One hidden layer of tanh: f(x) = output . tanh(weight x + bias) + level, all of width (n,)."""

    weight: np.ndarray
    bias: np.ndarray
    output: np.ndarray
    level: float

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Values at points of any shape."""
        return np.tanh(x[..., None] * self.weight + self.bias) @ self.output + self.level

    def sums(self, points: np.ndarray) -> np.ndarray:
        """Sums (n_sums,) over the last axis of points (n_sums, n_terms)."""
        return self(points).sum(axis=-1)

    @property
    def flat(self) -> np.ndarray:
        """All parameters (3 width + 1,)."""
        return np.concatenate([self.weight, self.bias, self.output, [self.level]])

    @classmethod
    def of(cls, flat: np.ndarray) -> SumNetwork:
        """Rebuild from :attr:`flat`."""
        weight, bias, output = flat[:-1].reshape(3, -1)
        return cls(weight, bias, output, float(flat[-1]))

    @classmethod
    def random(cls, width: int, seed: list[int]) -> SumNetwork:
        """Kinks spread over the range 0 to 1, slopes of either sign, a nearly flat output."""
        rng = np.random.default_rng(seed)
        weight = rng.normal(0.0, 8.0, width)
        return cls(weight, -weight * rng.random(width), rng.normal(0.0, 0.1, width), 0.0)

    def value_gradient(self, x: np.ndarray) -> np.ndarray:
        """Derivatives (..., 3 width + 1) of the values by the parameters."""
        h = np.tanh(x[..., None] * self.weight + self.bias)
        slope = self.output * (1.0 - h**2)
        return np.concatenate([slope * x[..., None], slope, h, np.ones((*x.shape, 1))], axis=-1)

    def slopes(self, x: np.ndarray) -> np.ndarray:
        """d f / d x at points of any shape."""
        h = np.tanh(x[..., None] * self.weight + self.bias)
        return (1.0 - h**2) @ (self.output * self.weight)

    def slope_gradient(self, x: np.ndarray) -> np.ndarray:
        """Derivatives (..., 3 width + 1) of the slopes by the parameters."""
        h = np.tanh(x[..., None] * self.weight + self.bias)
        first = 1.0 - h**2
        second = -2.0 * h * first * self.output * self.weight
        by_weight = first * self.output + second * x[..., None]
        return np.concatenate([by_weight, second, first * self.weight, np.zeros((*x.shape, 1))], axis=-1)


def fit_network(data: SumData, width: int, seed: list[int], slope_weight: float = 0.0) -> SumNetwork:
    """Fit a network to sums (and slopes) by nonlinear least squares with a very small ridge."""
    start = SumNetwork.random(width, seed)
    ridge = 1e-4 * np.ones(len(start.flat))

    def residuals(flat: np.ndarray) -> np.ndarray:
        net = SumNetwork.of(flat)
        parts = [net.sums(data.points) - data.sums, ridge * flat]
        if slope_weight:
            parts.append(slope_weight * (net.slopes(data.points) - data.slopes).ravel())
        return np.concatenate(parts)

    def jacobian(flat: np.ndarray) -> np.ndarray:
        net = SumNetwork.of(flat)
        parts = [net.value_gradient(data.points).sum(axis=1), np.diag(ridge)]
        if slope_weight:
            parts.append(slope_weight * net.slope_gradient(data.points).reshape(-1, len(flat)))
        return np.concatenate(parts)

    derivatives: Any = jacobian
    found = least_squares(residuals, start.flat, derivatives, method="lm", max_nfev=MAX_STEPS)
    return SumNetwork.of(found.x)


# what is shown ----------------------------------------------------------------------------------------
def _claims(cases: dict[str, SumCase]) -> list[Claim]:
    whole, apart, slopes, mixed = (cases[name] for name in ("sums", "islands", "slopes", "mixed"))
    size = float(whole.truth.std())
    spreads = {name: float(case.offsets()[:, 0].std()) for name, case in cases.items()}
    learned = {
        "rmse_of_the_function": whole.rmse,
        "rmse_of_sums_per_term": float(np.sqrt(np.mean(whole.sum_rmse**2))),
        "standard_deviation_of_the_function": size,
    }
    arbitrary = {
        "offsets_of_both_islands_by_network": np.round(apart.offsets(), 4),
        "spread_of_the_level": spreads["islands"],
        "rmse_of_the_shapes": apart.shape_rmse(),
        "rmse_of_sums_per_term": float(np.sqrt(np.mean(apart.sum_rmse**2))),
    }
    free = spreads["islands"] > 5.0 * max(apart.shape_rmse(), float(apart.sum_rmse.max()))
    cancel = float(np.abs(apart.offsets().sum(axis=1)).max()) < 0.1 * spreads["islands"]
    unsettled = {"spread_of_the_level": spreads["slopes"], "rmse_of_the_shapes": slopes.shape_rmse()}
    settled = {"spread_of_the_level": spreads["mixed"], "rmse_of_the_function": mixed.rmse}
    still_free = spreads["slopes"] > 5.0 * slopes.shape_rmse()
    return [
        Claim.of("spline.function_is_learned", learned, whole.rmse < 0.05 * size, n_terms=N_TERMS),
        Claim.of("spline.islands_are_arbitrary", arbitrary, free and cancel),
        Claim.of("spline.slopes_do_not_settle", unsettled, still_free),
        Claim.of("spline.mixing_settles", settled, mixed.rmse < 0.05 * size),
    ]


def _tables(context: StudyContext, cases: dict[str, SumCase]) -> list[Any]:
    tables = []
    for name, case in cases.items():
        members = {f"network {m}": row for m, row in enumerate(case.members, start=1)}
        tables.append(context.write_table(name, {"x": case.grid, "function": case.truth} | members))
    return tables


def _figure(cases: dict[str, SumCase]) -> Any:
    figure = new_figure(7.4, 2.6)
    shown = [cases[name] for name in ("sums", "islands", "mixed")]
    all_axes = figure.subplots(1, len(shown), sharey=True)
    for axes, case in zip(all_axes, shown, strict=True):
        _draw(axes, case)
        style_axes(axes, "x", "f(x)" if axes is all_axes[0] else "")
        axes.set_title(case.title, fontsize=8.5)
    low, high = all_axes[0].get_ylim()
    all_axes[0].set_ylim(low, high + 0.3 * (high - low))
    add_legend(all_axes[0], loc="upper left")
    return figure


def _draw(axes: Axes, case: SumCase) -> None:
    color = OKABE_ITO[0]
    n = len(case.data.islands)
    for low, high in case.data.islands if n > 1 else ():
        axes.axvspan(low, high, color="0.93", zorder=0, linewidth=0)
    mean, std = case.members.mean(axis=0), case.members.std(axis=0)
    seen = np.where(np.any([case.inside(k) for k in range(n)], axis=0), 1.0, np.nan)
    low, high = seen * (mean - std), seen * (mean + std)
    axes.fill_between(case.grid, low, high, color=color, alpha=0.2, linewidth=0)
    for k, row in enumerate(case.members[:5]):
        label = "_" if k else "each network"
        axes.plot(case.grid, seen * row, color=color, linewidth=0.5, alpha=0.7, label=label)
    axes.plot(case.grid, seen * mean, color=color, linewidth=1.4, label="their mean")
    axes.plot(case.grid, case.truth, color="black", linestyle=DASHES[1], linewidth=1.0, label="function")
