"""Stress and virial by their names, signs and units, and what tells them apart.

ASE's stress is positive under tension, in eV/Å³. Programs also write pressures (the other sign), in GPa, kbar
or bar, and virials: stress times volume, in eV, mostly W = -stress · volume.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from ase.units import GPa, bar

from nnpcore.errors import SettingsError
from nnpcore.structures.labels.strained_pairs import StrainedPairs

_SIGNS = {"stress": 1.0, "pressure": -1.0, "virial": -1.0, "negative-virial": 1.0}
_UNITS = {"eV/Å³": 1.0, "GPa": GPa, "kbar": 1000.0 * bar, "bar": bar}
_SPELLINGS = {"eV/A^3": "eV/Å³", "eV/A3": "eV/Å³", "eV/Å^3": "eV/Å³", "eV/Ang^3": "eV/Å³", "kB": "kbar"}
_VIRIALS = ("virial", "negative-virial")

MODULUS_GPA = (0.5, 700.0)
"""Bulk moduli of matter that one trains on; beyond, the unit is wrong."""

_MIN_FRAMES = 4
_MIN_STRAIN = 0.01  # relative range of the volume from which a trend is looked for
_MIN_CORRELATION = 0.9
_MISFIT = 0.15  # of dE/dV against the stress where a scan is smooth
_WORK_MISFIT = 0.2  # of the work between strained frames
_AHEAD = 4.0  # times smaller misfit than the next that decides
_FEWEST_OF_SIZES = 6
_SIZES = 1.5  # of the largest over the smallest cell, in atoms, from which virials stand apart
_SMOOTH = 0.02  # residual of the energies along the volume over their range


@dataclass(frozen=True)
class StressKind:
    """What a tensor in a file is.

    Attributes
    ----------
    kind : "stress" (positive under tension), "pressure" (positive under compression), "virial"
        (-stress · volume) or "negative-virial" (stress · volume).
    unit : "eV/Å³", "GPa", "kbar" or "bar"; "eV" for virials.
    """

    kind: str = "stress"
    unit: str = "eV/Å³"

    def __post_init__(self) -> None:
        units = ("eV",) if self.kind in _VIRIALS else tuple(_UNITS)
        if self.kind not in _SIGNS or self.unit not in units:
            raise SettingsError(
                f"'{self.kind}:{self.unit}' is no kind of stress",
                where="stress kind",
                fix=f"Choose one of {', '.join(kind.text for kind in ALL_KINDS)}",
            )

    @property
    def text(self) -> str:
        """Such as "stress:eV/Å³" or "virial:eV"; read by :meth:`from_text`."""
        return f"{self.kind}:{self.unit}"

    @property
    def words(self) -> str:
        """What it is, for a person."""
        return {
            "stress": f"stress in {self.unit}, positive under tension (as ASE has it)",
            "pressure": f"stress in {self.unit}, positive under compression (as VASP and CP2K print it)",
            "virial": "virial in eV: minus stress times volume",
            "negative-virial": "virial in eV with the other sign: stress times volume",
        }[self.kind]

    @classmethod
    def from_text(cls, text: str) -> StressKind:
        """Read "kind:unit"; the unit may be left out, and Å³ be written A^3."""
        kind, _, unit = text.strip().partition(":")
        default = "eV" if kind in _VIRIALS else "eV/Å³"
        return cls(kind, _SPELLINGS.get(unit, unit) or default)

    def to_ase(self, values: np.ndarray, volumes: np.ndarray | float) -> np.ndarray:
        """Turn tensors (..., 3, 3) as the file has them into ASE's stress, eV/Å³; ``volumes`` (...) in Å³."""
        if self.kind in _VIRIALS:
            return _SIGNS[self.kind] * values / np.asarray(volumes)[..., None, None]
        return _SIGNS[self.kind] * _UNITS[self.unit] * values


ASE_STRESS = StressKind()
VIRIAL = StressKind("virial", "eV")
ALL_KINDS: tuple[StressKind, ...] = (
    *(StressKind(kind, unit) for unit in _UNITS for kind in ("stress", "pressure")),
    VIRIAL,
    StressKind("negative-virial", "eV"),
)
"""All that are told apart."""


@dataclass(frozen=True)
class StressVerdict:
    """What the numbers say.

    Attributes
    ----------
    kinds : those that remain possible, the likeliest first; all of them where nothing could be tested.
    decided : whether only one remains.
    why : the reason in words.
    by_work : whether the work between strained frames decided.
    """

    kinds: tuple[StressKind, ...]
    decided: bool
    why: str
    by_work: bool = False


def judge_stress(
    values: np.ndarray, volumes: np.ndarray, n_atoms: np.ndarray, energies: np.ndarray | None = None
) -> StressVerdict:
    """Tell which kinds of stress the tensors of some frames may be.

    Two tests, both on frames whose volumes differ. The mean stress rises with the volume, by the bulk
    modulus, which lies between 0.5 and 700 GPa: that gives the sign and bounds the unit. Where the energies
    follow the volume smoothly, as along a crystal's scan, the mean stress is dE/dV: that gives the unit, too.

    Parameters
    ----------
    values : (n, 3, 3) as the file has them. volumes : (n,) Å³. n_atoms : (n,). energies : (n,) eV, or None.
    """
    per_atom = volumes / n_atoms
    trace = np.trace(values, axis1=1, axis2=2) / 3.0
    if len(values) < _MIN_FRAMES or np.ptp(per_atom) < _MIN_STRAIN * per_atom.mean():
        return StressVerdict(ALL_KINDS, False, "its frames have too few different volumes to tell")
    if np.ptp(trace) == 0.0:
        return StressVerdict(ALL_KINDS, False, "it is the same in all frames")
    found = _by_energy(values, volumes, per_atom, n_atoms, energies) if energies is not None else None
    return found or _by_trend(values, volumes, per_atom)


def _same_in_all_cells(
    kinds: list[StressKind], values: np.ndarray, volumes: np.ndarray, per_atom: np.ndarray
) -> list[StressKind]:
    """Keep the kinds that are the same function of the volume an atom in cells of all sizes.

    Virials grow with the cell, stresses do not: where small and large cells are in the data this tells.
    """
    sizes = np.round(volumes / per_atom)
    if len(kinds) < 2 or len(values) < _FEWEST_OF_SIZES or sizes.max() < _SIZES * sizes.min():
        return kinds
    x = (per_atom - per_atom.mean()) / np.ptp(per_atom)
    left = []
    for kind in kinds:
        stress = _mean_stress(kind, values, volumes)
        fit = np.polynomial.Polynomial.fit(x, stress, 2)
        left.append(float(np.std(stress - fit(x)) / np.std(stress)))
    return [kind for kind, own in zip(kinds, left, strict=True) if own <= _AHEAD * min(left)]


def _mean_stress(kind: StressKind, values: np.ndarray, volumes: np.ndarray) -> np.ndarray:
    return np.trace(kind.to_ase(values, volumes), axis1=1, axis2=2) / 3.0


def _by_energy(
    values: np.ndarray, volumes: np.ndarray, per_atom: np.ndarray, n_atoms: np.ndarray, energies: np.ndarray
) -> StressVerdict | None:
    """Compare with dE/dV of a polynomial through the energies; None where they are not smooth."""
    known = np.isfinite(energies)
    if known.sum() < _MIN_FRAMES or len(np.unique(per_atom[known])) < _MIN_FRAMES:
        return None
    x, scale = per_atom[known] - per_atom[known].mean(), np.ptp(per_atom[known])
    y = energies[known] / n_atoms[known]
    degree = min(3, int(known.sum()) - 2)
    fit = np.polynomial.Polynomial.fit(x / scale, y, degree)
    if np.std(fit(x / scale) - y) > _SMOOTH * np.ptp(y):
        return None
    slope = fit.deriv()(x / scale) / scale
    misfits = [
        float(np.sqrt(np.mean((_mean_stress(kind, values[known], volumes[known]) - slope) ** 2)))
        / float(np.sqrt(np.mean(slope**2)))
        for kind in ALL_KINDS
    ]
    order = np.argsort(misfits)
    best, second = misfits[order[0]], misfits[order[1]]
    if best > _MISFIT:
        return None
    kinds = tuple(ALL_KINDS[i] for i in order if misfits[i] < max(_MISFIT, best * _AHEAD))
    decided = second > best * _AHEAD or len(kinds) == 1
    shares = [100 * misfits[i] for i in order[: len(kinds)]]
    if decided:
        text = f"it agrees with the slope of the energy along the volume to {shares[0]:.0f} %"
        return StressVerdict(kinds[:1], True, text)
    which = " and ".join(f"{kind.text} to {share:.0f} %" for kind, share in zip(kinds, shares, strict=True))
    text = f"more than one kind agrees with the slope of the energy along the volume: {which}"
    return StressVerdict(kinds, False, text)


def judge_by_work(values: np.ndarray, volumes: np.ndarray, pairs: StrainedPairs) -> StressVerdict | None:
    """Tell the kind by the work of the stress between strained frames; None where that does not decide.

    Parameters
    ----------
    values : (n, 3, 3) as the file has them. volumes : (n,) Å³. pairs : among these frames.
    """
    misfits = [pairs.misfit(kind.to_ase(values, volumes), volumes) for kind in ALL_KINDS]
    best, second = np.argsort(misfits)[:2]
    if misfits[best] > _WORK_MISFIT or misfits[second] < _AHEAD * misfits[best]:
        return None
    text = f"its work between {len(pairs.first)} pairs of strained frames agrees with their energies to "
    return StressVerdict((ALL_KINDS[best],), True, f"{text}{100 * misfits[best]:.0f} %", by_work=True)


def _by_trend(values: np.ndarray, volumes: np.ndarray, per_atom: np.ndarray) -> StressVerdict:
    """Keep the kinds whose mean stress rises with the volume by a modulus that matter has."""
    kept: list[StressKind] = []
    for kind in ALL_KINDS:
        stress = _mean_stress(kind, values, volumes)
        if np.corrcoef(per_atom, stress)[0, 1] < _MIN_CORRELATION:
            continue
        modulus = np.polyfit(per_atom, stress, 1)[0] * per_atom.mean() / GPa
        if MODULUS_GPA[0] <= modulus <= MODULUS_GPA[1]:
            kept.append(kind)
    alike = _same_in_all_cells(kept, values, volumes, per_atom)
    if not kept:
        return StressVerdict(ALL_KINDS, False, "it does not follow the volume clearly enough to tell")
    modulus = f"rise with the volume by a modulus between {MODULUS_GPA[0]:g} and {MODULUS_GPA[1]:g} GPa"
    if len(alike) == 1:
        sizes = "" if len(kept) == 1 else ", the same in small and in large cells"
        return StressVerdict(tuple(alike), True, f"only so does it {modulus}{sizes}")
    which = ", ".join(kind.text for kind in alike)
    return StressVerdict(tuple(alike), False, f"as each of {which} it would {modulus}")


def as_tensor(value: object) -> np.ndarray | None:
    """Return nine numbers, three times three, or six in ASE's order (xx, yy, zz, yz, xz, xy) as (3, 3)."""
    if not isinstance(value, np.ndarray | list | tuple):
        return None
    array = np.asarray(value)
    if array.dtype.kind not in "fi":
        return None
    if array.size == 6 and array.ndim == 1:
        return array[[0, 5, 4, 5, 1, 3, 4, 3, 2]].reshape(3, 3).astype(np.float64)
    return array.reshape(3, 3).astype(np.float64) if array.size == 9 else None
