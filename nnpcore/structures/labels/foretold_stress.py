"""Whether stresses of frames are those that energies and forces foretell: sign, unit, order, pressure.

What has learned from energies and forces alone says of each frame what its stress should be. Forces tell
shears and differences of the diagonal well whatever the cells are; the pressure they leave open unless the
volume differs from frame to frame, so that it counts only where it is foretold closely enough. Sign and unit
are those of all frames. The order of yz, xz and xy is told group by group: collections are put together of
calculations whose components stand in different orders (VASP writes xy yz zx, Voigt's order is yz xz xy).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import permutations

import numpy as np

from nnpcore.structures.labels.stress_kinds import ALL_KINDS, ASE_STRESS, StressKind
from nnpcore.units import GPA_PER_EV_PER_ANG3

LEFT_OUT = "none"
"""In place of an order: the stresses of this group are not used."""

_SHEARS = ("yz", "xz", "xy")
ORDERS: Mapping[str, tuple[int, ...]] = {
    " ".join(_SHEARS[k] for k in order): order for order in permutations(range(3))
}
"""What the places of yz, xz and xy may really hold, and where each of the three then stands."""
AS_GIVEN = " ".join(_SHEARS)

FEWEST_FRAMES = 8
"""With fewer foretold frames agreement may be chance."""

_FEWEST_OF_A_GROUP = 4
_MISFIT = 0.5  # root mean square of what differs over that of the stresses
_CORRELATION = 0.85
_RATIO = 1.5  # of sizes; units differ by more
_NEGLIGIBLE = 0.15  # off by such a part of the whole, the diagonal or the shears alone say nothing
_CLEARLY = 0.5  # what an order leaves against the next one
_AS_FAR_OFF = 2.0  # times what the foretold stresses of other groups are off by
_OFFSETS = 3.0  # foretold spreads that the mean pressure may be off by


@dataclass(frozen=True, eq=False)
class ForetoldStresses:
    """Stresses of frames as they are given, and as they are foretold by what never saw them.

    Attributes
    ----------
    given, foretold : (n, 6) eV/Å³ in Voigt's order, positive under tension.
    spread : (n,) standard deviation of the foretold mean stress (a third of the trace), eV/Å³.
    volumes : (n,) Å³.
    groups : (n) names.
    """

    given: np.ndarray
    foretold: np.ndarray
    spread: np.ndarray
    volumes: np.ndarray
    groups: tuple[str, ...]

    def of(self, chosen: np.ndarray) -> ForetoldStresses:
        """Return those of some frames, (n,) bool."""
        groups = tuple(name for name, own in zip(self.groups, chosen.tolist(), strict=True) if own)
        return ForetoldStresses(
            self.given[chosen], self.foretold[chosen], self.spread[chosen], self.volumes[chosen], groups
        )


@dataclass(frozen=True)
class ToldStresses:
    """What foretold stresses say of the given ones.

    Attributes
    ----------
    trusted : whether those that are not left out are stresses in eV/Å³, positive under tension.
    why : the reason in words.
    orders : by group, where it differs from :data:`AS_GIVEN`: what its places of yz, xz and xy hold, or
        :data:`LEFT_OUT`.
    reasons : by group in ``orders``, why.
    contradicted : whether what is foretold speaks against them.
    """

    trusted: bool
    why: str
    orders: Mapping[str, str]
    reasons: Mapping[str, str]
    contradicted: bool = False


def reordered(stress: np.ndarray, order: str) -> np.ndarray:
    """Return a stress (3, 3) whose places of yz, xz and xy hold others, as in ``order``, put right."""
    shears, found = stress[[1, 0, 0], [2, 2, 1]], stress.copy()
    for value, place in zip(shears, ORDERS[order], strict=True):
        a, b = ((1, 2), (0, 2), (0, 1))[place]
        found[a, b] = found[b, a] = value
    return found


def together(first: str, then: str) -> str:
    """Return the order that puts right at once what ``first`` and ``then`` put right one after the other."""
    if LEFT_OUT in (first, then):
        return LEFT_OUT
    return " ".join(_SHEARS[ORDERS[then][k]] for k in ORDERS[first])


def order_in_words(order: str) -> str:
    """Return what is the matter with an order, such as "yz and xz are exchanged"."""
    moved = [name for name, found in zip(_SHEARS, order.split(), strict=True) if name != found]
    if len(moved) == 2:
        return f"{moved[0]} and {moved[1]} are exchanged"
    return f"{order} stand where {AS_GIVEN} should"


def judge_foretold(stresses: ForetoldStresses, groups: Collection[str], pressure_known: bool) -> ToldStresses:
    """Compare.

    Parameters
    ----------
    stresses : of some frames. groups : all that there are.
    pressure_known : whether energies of strained cells agree with the stresses.
    """
    if len(stresses.given) < FEWEST_FRAMES:
        return _untold("too few frames have one to tell whether sign and unit are right")
    closely = pressure_known or _rms(stresses.spread) <= _MISFIT * _rms(stresses.foretold[:, :3].mean(axis=1))
    with_pressure = closely and not pressure_known
    found = {
        name: _group(stresses.of(np.array(stresses.groups) == name), with_pressure)
        for name in dict.fromkeys(stresses.groups)
    }
    agreeing = [own for own in found.values() if own.agrees]
    if not agreeing:
        why = (
            _of_another_kind(stresses, with_pressure)
            or (with_pressure and _only_pressure(stresses))
            or _disagreement(stresses, with_pressure)
        )
        return ToldStresses(False, why, {}, {}, contradicted=True)
    if not closely:
        return _untold(_open_pressure(stresses))
    if with_pressure and (off := _offset(stresses)):
        return ToldStresses(False, off, {}, {}, contradicted=True)
    orders, reasons = _orders(found, agreeing, groups)
    return ToldStresses(True, _agreement(agreeing), orders, reasons)


@dataclass(frozen=True, eq=False)
class _Group:
    """How one group compares: the order taken, whether it is told, and the components that then differ."""

    agrees: bool
    order: str
    told: bool
    given: np.ndarray
    foretold: np.ndarray
    shears_off: tuple[float, float]  # eV/Å³: as given, in the order taken


def _group(own: ForetoldStresses, with_pressure: bool) -> _Group:
    foretold = own.foretold[:, 3:]
    off = {name: _rms(own.given[:, 3:][:, _places(order)] - foretold) for name, order in ORDERS.items()}
    best, second = sorted(off, key=lambda name: off[name])[:2]
    enough = len(own.given) >= _FEWEST_OF_A_GROUP
    told = enough and off[best] < _CLEARLY * off[second]
    order = best if told else AS_GIVEN
    given = own.given.copy()
    given[:, 3:] = given[:, 3:][:, _places(ORDERS[order])]
    y, x = _components(given, with_pressure), _components(own.foretold, with_pressure)
    return _Group(enough and _agree(y, x), order, told, y, x, (off[AS_GIVEN], off[order]))


def _places(order: tuple[int, ...]) -> list[int]:
    """Return where yz, xz and xy stand in what is given."""
    return [order.index(k) for k in range(3)]


def _components(stress: np.ndarray, with_pressure: bool) -> np.ndarray:
    """Return components (n, 6) whose squares sum up to that of the tensor, the pressure left out or not."""
    found = stress * np.sqrt([1.0, 1.0, 1.0, 2.0, 2.0, 2.0])
    return found if with_pressure else found - np.repeat([1.0, 0.0], 3) * found[:, :3].mean(axis=1)[:, None]


def _rms(values: np.ndarray) -> float:
    return float(np.sqrt((values**2).mean())) if values.size else 0.0


def _correlation(y: np.ndarray, x: np.ndarray) -> float:
    size = float(np.linalg.norm(y) * np.linalg.norm(x))
    return float((y * x).sum()) / size if size > 0.0 else 0.0


def _agree(y: np.ndarray, x: np.ndarray) -> bool:
    """Return whether components agree as a whole, and so do what differs along the diagonal and the shears:
    large pressures would speak for axes that are exchanged.
    """
    small = _NEGLIGIBLE * np.linalg.norm(y)
    diagonals = (part[:, :3] - part[:, :3].mean(axis=1)[:, None] for part in (y, x))
    parts = (tuple(diagonals), (y[:, 3:], x[:, 3:]))
    return _alike(y, x) and all(_alike(a, b) or np.linalg.norm(a - b) <= small for a, b in parts)


def _alike(y: np.ndarray, x: np.ndarray) -> bool:
    if _correlation(y, x) < _CORRELATION:
        return False
    return _rms(y - x) <= _MISFIT * _rms(y) and 1.0 / _RATIO <= _rms(y) / _rms(x) <= _RATIO


def _of_another_kind(stresses: ForetoldStresses, with_pressure: bool) -> str:
    """Return as what else the stresses would agree; "" where as nothing."""
    misfits = {kind: _misfit_as(kind, stresses, with_pressure) for kind in ALL_KINDS if kind != ASE_STRESS}
    best = min(misfits.values())
    if not np.isfinite(best):
        return ""
    fitting = sorted((kind for kind in misfits if misfits[kind] < np.inf), key=lambda kind: misfits[kind])
    words = " or a ".join(kind.words for kind in fitting)
    text = f"they look like a {words}, for then they agree with what energies and forces foretell"
    return f"{text} to {100 * best:.0f} %"


def _misfit_as(kind: StressKind, stresses: ForetoldStresses, with_pressure: bool) -> float:
    """Return what is off, in units of the stresses, were they of another kind; infinite where none agrees."""
    factors = kind.to_ase(np.ones((len(stresses.volumes), 1, 1)), stresses.volumes).reshape(-1, 1)
    changed = replace(stresses, given=factors * stresses.given)
    names = np.array(stresses.groups)
    groups = [_group(changed.of(names == name), with_pressure) for name in dict.fromkeys(stresses.groups)]
    fitting = [own for own in groups if own.agrees]
    if not fitting:
        return np.inf
    y, x = (np.concatenate([getattr(own, name) for own in fitting]) for name in ("given", "foretold"))
    return _rms(y - x) / _rms(y)


def _only_pressure(stresses: ForetoldStresses) -> str:
    """Return by what pressures are off where all else agrees; "" where it does not."""
    y, x = (_components(part, with_pressure=False) for part in (stresses.given, stresses.foretold))
    return _offset(stresses) if _agree(y, x) else ""


def _disagreement(stresses: ForetoldStresses, with_pressure: bool) -> str:
    y, x = (_components(part, with_pressure) for part in (stresses.given, stresses.foretold))
    correlation, ratio = _correlation(y, x), _rms(y) / max(_rms(x), 1e-300)
    text = "they do not agree with what energies and forces foretell in any sign, unit or order of components"
    if abs(correlation) >= _CORRELATION and not 1.0 / _RATIO <= ratio <= _RATIO:
        return f"{text}: they are {ratio:.2g} times as large"
    off, size = (GPA_PER_EV_PER_ANG3 * _rms(values) for values in (y - x, y))
    return f"{text}: they are off by {off:.2g} of {size:.2g} GPa (correlation {correlation:.2f})"


def _open_pressure(stresses: ForetoldStresses) -> str:
    spread = GPA_PER_EV_PER_ANG3 * _rms(stresses.spread)
    text = (
        "their shears agree with what energies and forces foretell, so that sign and unit are right, but the"
    )
    return f"{text} pressure, which these frames leave open by {spread:.1g} GPa, cannot be checked"


def _offset(stresses: ForetoldStresses) -> str:
    """Return that pressures as a whole are off by more than is left open; "" where they are not."""
    y, x = (part[:, :3].mean(axis=1) for part in (stresses.given, stresses.foretold))
    slope = float(((y - y.mean()) * (x - x.mean())).sum() / max(((x - x.mean()) ** 2).sum(), 1e-300))
    off = float(y.mean() - slope * x.mean())
    spread = _rms(stresses.spread)
    if abs(off) <= _OFFSETS * spread:
        return ""
    off, spread = (GPA_PER_EV_PER_ANG3 * value for value in (off, spread))
    text = f"their pressures are off by {-off:+.2g} GPa from what energies and forces foretell"
    return f"{text} to {spread:.1g} GPa (kinetic pressure, or a basis that is not complete?)"


def _orders(
    found: Mapping[str, _Group], agreeing: Sequence[_Group], groups: Collection[str]
) -> tuple[dict[str, str], dict[str, str]]:
    """Return orders by group where they are not as given, and the reasons."""
    told = Counter(own.order for own in found.values() if own.agrees and own.told)
    common = next(iter(told)) if len(told) == 1 else None
    usual_off = _rms(np.concatenate([own.given - own.foretold for own in agreeing]))
    orders, reasons = {}, {}
    for name in sorted(groups):
        own = found.get(name)
        if own and own.agrees and own.told:
            order, why = own.order, _exchange(own)
        elif own and not own.agrees and _rms(own.given - own.foretold) > _AS_FAR_OFF * usual_off:
            order, why = LEFT_OUT, "do not agree with what energies and forces foretell"
        elif common is None and told:
            order, why = LEFT_OUT, "do not tell the order of their components, which differs between groups"
        else:
            order, why = common or AS_GIVEN, "agree with all groups that tell"
        if order != AS_GIVEN:
            orders[name], reasons[name] = order, why
    return orders, reasons


def _exchange(own: _Group) -> str:
    before, after = (GPA_PER_EV_PER_ANG3 * off for off in own.shears_off)
    return f"agree with what energies and forces foretell to {after:.2f} instead of {before:.2f} GPa"


def _agreement(agreeing: Sequence[_Group]) -> str:
    y, x = (np.concatenate([getattr(own, name) for own in agreeing]) for name in ("given", "foretold"))
    off, size = (GPA_PER_EV_PER_ANG3 * _rms(values) for values in (y - x, y))
    text = f"{len(y)} of them agree with what energies and forces alone foretell"
    return f"{text}, to {off:.2g} of {size:.2g} GPa (correlation {_correlation(y, x):.2f})"


def _untold(why: str) -> ToldStresses:
    return ToldStresses(False, why, {}, {})
