"""Spreads against true errors on frames a run was not trained on, and the factors that make spreads right."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from nnpcore.analyses.foretold import DATA_POSTERIOR
from nnpcore.analyses.graph import Analysis, Given, Missing
from nnpcore.analyses.inputs import POTENTIAL, TRAINING
from nnpcore.analyses.parity import CHUNK, COMPARED_FRAMES, ComparedFrames
from nnpcore.mapping.calibration import (
    WANTED,
    CalibratedSpread,
    SpreadErrors,
    calibrate,
)
from nnpcore.potential.spread_factors import SpreadFactors
from nnpcore.structures.splits import blocks_of

if TYPE_CHECKING:
    from nnpcore.posterior import Posterior
    from nnpcore.potential import Prediction
    from nnpcore.progress import Progress
    from nnpcore.structures.frame import Frame

MEMBERS, DATA = "members", "data"
"""Whose spread: that of the ensemble's members, or what the training data are foretold to leave open."""

WHOSE = {MEMBERS: "spread of the members", DATA: "foretold spread"}
"""What they are called."""

MOST_FORETOLD = 100
"""Frames whose foretold spreads are compared; of more, as many evenly spread."""

NO_ERROR = 1e-6
"""Errors smaller than so many spreads are none, such as those of a potential on its own predictions."""

PRESSURE, SHEAR = "pressure", "shear stress"
"""The stress has two parts: data at one volume leave the first open and fix the second through the forces."""


@dataclass(frozen=True, eq=False)
class Calibration:
    """How right spreads are on frames that were not trained on.

    Attributes
    ----------
    spreads : of each quantity and of whose that is known.
    names : of the data. n_frames : that were compared.
    """

    spreads: tuple[CalibratedSpread, ...]
    names: tuple[str, ...]
    n_frames: int

    def of(self, quantity: str, whose: str = MEMBERS) -> CalibratedSpread | None:
        """Return what is known of a quantity, or None."""
        return next((s for s in self.spreads if (s.quantity, s.whose) == (quantity, whose)), None)

    @property
    def factors(self) -> SpreadFactors:
        """The factors; 1 for what is not known."""
        return SpreadFactors(**self.known_factors)

    @property
    def known_factors(self) -> dict[str, float]:
        """The factors that these frames give, by their names in :class:`SpreadFactors`."""
        return {
            name: max(one.factor, NO_ERROR)
            for name, quantity, whose in _FACTORS
            if (one := self.of(quantity, whose)) is not None
        }

    @property
    def untold(self) -> dict[str, CalibratedSpread]:
        """What these frames hardly tell the factors of, by their names."""
        spreads = ((name, self.of(quantity, whose)) for name, quantity, whose in _FACTORS)
        return {name: one for name, one in spreads if one is not None and not one.is_told}

    @property
    def told_factors(self) -> dict[str, float]:
        """The factors that these frames tell, by their names: those that are worth keeping."""
        return {name: factor for name, factor in self.known_factors.items() if name not in self.untold}

    @property
    def text(self) -> str:
        """How right each spread is, in sentences."""
        return " ".join(sentence(one) for one in self.spreads)


_FACTORS = (
    ("energy", "energy", MEMBERS),
    ("force", "force", MEMBERS),
    ("pressure", PRESSURE, MEMBERS),
    ("shear", SHEAR, MEMBERS),
    ("foretold_energy", "energy", DATA),
)
FACTOR_NAMES = {
    name: f"{quantity}, {'foretold' if whose == DATA else whose}" for name, quantity, whose in _FACTORS
}
"""What factors are called, by their names in :class:`SpreadFactors`."""


def sentence(one: CalibratedSpread) -> str:
    """Say whether a spread is right in size, plainly."""
    inside, of = (100 * share[0] for share in (one.before.coverage, WANTED))
    wanted = f"{inside:.0f} % of the errors lie within one spread ({of:.0f} wanted)"
    name = f"{one.quantity.capitalize()}: the {WHOSE[one.whose]}"
    if one.factor < NO_ERROR:
        return f"{name} cannot be compared: these frames have no errors."
    if math.isnan(one.log_std):
        surely = "how surely one block of frames cannot tell"
        return f"{name} times {one.factor:.2g} would be right, {surely}; {wanted}."
    low, high = one.bounds
    between = f"{low:.2g} to {high:.2g}"
    if one.is_right and not one.is_told:
        asked = f"whether the {WHOSE[one.whose]} is right in size"
        return f"{one.quantity.capitalize()}: these frames do not tell {asked} (factor {between}); {wanted}."
    if one.is_right:
        right = f"right in size as far as these frames tell (factor {one.factor:.2g}, {between})"
        return f"{name} is {right}; {wanted}."
    if not one.is_told:
        much = "too small" if one.factor > 1 else "too large"
        surely = "by how much these frames do not tell"
        return f"{name} is {much}, {surely} (factor {one.factor:.2g}, {between}); {wanted}."
    return f"{name} is {_how_wrong(one.factor)} (factor {between}); {wanted}."


def short_sentences(spreads: Sequence[CalibratedSpread]) -> str:
    """Say of each kind of spread in a few words whether those of its quantities are right in size."""
    found = []
    for whose in dict.fromkeys(one.whose for one in spreads):
        facts = ", ".join(f"{one.quantity} {_fact(one)}" for one in spreads if one.whose == whose)
        found.append(f"{WHOSE[whose][:1].upper()}{WHOSE[whose][1:]}: {facts}.")
    return " ".join(found)


def _fact(one: CalibratedSpread) -> str:
    if one.factor < NO_ERROR:
        return "not compared, without errors"
    if math.isnan(one.log_std):
        return f"× {one.factor:.2g}, from one block only"
    if one.is_right:
        return "right as far as can be told" if one.is_told else "not told by these frames"
    return _how_wrong(one.factor) if one.is_told else f"too {'small' if one.factor > 1 else 'large'}"


def _how_wrong(factor: float) -> str:
    much = "too small" if factor > 1 else "too large"
    times = factor if factor > 1 else 1.0 / factor
    return f"{times:.{2 if times >= 1.05 else 3}g} times {much}"


# collecting -------------------------------------------------------------------------------------------
def calibration_of(
    model_spreads: Sequence[SpreadErrors], foretold: Sequence[SpreadErrors]
) -> tuple[CalibratedSpread, ...]:
    """Calibrate all that has spreads and errors."""
    found = []
    for whose, all_spreads in ((MEMBERS, model_spreads), (DATA, foretold)):
        for one in all_spreads:
            if len(one.usable.spread):
                found.append(calibrate(one, whose))
    return tuple(found)


class _Collected:
    """Spreads and errors of frames, by quantity."""

    def __init__(self) -> None:
        self._parts: dict[str, list[tuple[np.ndarray, np.ndarray, int]]] = {}

    def add(self, quantity: str, spread: np.ndarray, errors: np.ndarray, block: int) -> None:
        """Add (n,) spreads with (n, k) errors of a frame in a block."""
        self._parts.setdefault(quantity, []).append((spread, errors, block))

    def all(self) -> list[SpreadErrors]:
        """Return all of each quantity."""
        return [
            SpreadErrors(
                quantity,
                np.concatenate([spread for spread, _, _ in parts]),
                np.concatenate([errors for _, errors, _ in parts]),
                np.repeat([block for _, _, block in parts], [len(spread) for spread, _, _ in parts]),
            )
            for quantity, parts in self._parts.items()
        ]


def _errors_of(frame: Frame, found: Prediction, k: int) -> dict[str, np.ndarray]:
    """Return errors (n, components) of the k-th frame by quantity; eV/atom, eV/Å, eV/Å³."""
    errors = {}
    if frame.energy is not None:
        errors["energy"] = np.array([[(found.energy[k] - frame.energy) / frame.n_atoms]])
    if frame.forces is not None and found.forces is not None:
        errors["force"] = found.forces[found.atoms_of(k)] - frame.forces
    if frame.stress is not None and found.stress is not None and np.isfinite(found.stress[k]).all():
        errors |= {name: part[None] for name, part in _parts_of(found.stress[k] - frame.stress).items()}
    return errors


def _members_spreads(frame: Frame, found: Prediction, k: int) -> dict[str, np.ndarray]:
    spreads = {"energy": found.energy_std[k : k + 1] / frame.n_atoms}
    if found.forces_std is not None:
        spreads["force"] = np.sqrt((found.forces_std[found.atoms_of(k)] ** 2).mean(axis=1))
    if found.stress_members is not None:
        for name, part in _parts_of(found.stress_members[:, k]).items():
            spreads[name] = np.sqrt(part.var(axis=0).mean())[None]
    return spreads


def _parts_of(stress: np.ndarray) -> dict[str, np.ndarray]:
    """Return mean (..., 1) and rest (..., 9) of stresses (..., 3, 3), both whatever the axes."""
    mean = np.trace(stress, axis1=-2, axis2=-1)[..., None] / 3.0
    rest = stress - mean[..., None] * np.eye(3)
    return {PRESSURE: mean, SHEAR: rest.reshape(*rest.shape[:-2], 9)}


def _foretold_spreads(
    posterior: Posterior, frames: Sequence[Frame], progress: Progress, n_threads: int | None
) -> list[dict[str, np.ndarray]]:
    energies, components = posterior.label_spreads(frames, n_threads=n_threads, progress=progress)
    forces = np.sqrt((components**2).mean(axis=1))
    ends = np.cumsum([frame.n_atoms for frame in frames])[:-1]
    return [{"energy": energies[k : k + 1], "force": own} for k, own in enumerate(np.split(forces, ends))]


def _calibration(given: Given) -> Calibration | Missing:
    model, held_out = given[POTENTIAL], _held_out(given[COMPARED_FRAMES])
    if isinstance(held_out, Missing):
        return held_out
    if model.n_members < 2 and given.get(DATA_POSTERIOR) is None:
        return Missing("a single network has no spread", "Train an ensemble of several networks")
    frames = [frame for source in held_out for frame in source.frames]
    block_of = np.zeros(len(frames), dtype=np.int64)
    for number, block in enumerate(blocks_of(frames)):
        block_of[block] = number
    by_members, errors = _Collected(), []
    for start in range(0, len(frames), CHUNK):
        given.progress.report(0.6 * start / len(frames), "Predicting frames that were not trained on")
        part = frames[start : start + CHUNK]
        stress = any(frame.stress is not None for frame in part)
        found = model.predict(part, stress=stress, members=False, n_threads=given.n_threads)
        for k, frame in enumerate(part):
            errors.append(_errors_of(frame, found, k))
            spreads = _members_spreads(frame, found, k) if model.n_members > 1 else {}
            for quantity in errors[-1].keys() & spreads.keys():
                by_members.add(quantity, spreads[quantity], errors[-1][quantity], int(block_of[start + k]))
    foretold = _Collected()
    _add_foretold(given, frames, errors, block_of, foretold)
    spreads = calibration_of(_in_order(by_members.all()), _in_order(foretold.all()))
    if not spreads:
        return Missing("these frames have no reference values to compare spreads with", "Give others")
    return Calibration(spreads, tuple(source.part.name for source in held_out), len(frames))


def _in_order(found: Sequence[SpreadErrors]) -> list[SpreadErrors]:
    return sorted(found, key=lambda one: one.quantity)


def _add_foretold(
    given: Given,
    frames: Sequence[Frame],
    errors: Sequence[dict[str, np.ndarray]],
    block_of: np.ndarray,
    collected: _Collected,
) -> None:
    """Add what the training data are foretold to leave open, where it has been computed."""
    data = given.get(DATA_POSTERIOR)
    if data is None:
        return
    chosen = np.unique(np.linspace(0, len(frames) - 1, min(len(frames), MOST_FORETOLD)).round().astype(int))
    some = [frames[k] for k in chosen]
    spreads = _foretold_spreads(data.posterior, some, given.progress.part(0.6, 1.0), given.n_threads)
    for k, own in zip(chosen.tolist(), spreads, strict=True):
        for quantity in errors[k].keys() & own.keys():
            collected.add(quantity, own[quantity], errors[k][quantity], int(block_of[k]))


def _held_out(sources: Sequence[ComparedFrames]) -> list[ComparedFrames] | Missing:
    """Return the frames that were not trained on."""
    found = [source for source in sources if source.part.role != TRAINING and source.frames]
    if found:
        return found
    fix = "Train with a part for validation, or give frames with reference values"
    return Missing("there are no frames that this run was not trained on", fix)


CALIBRATION = Analysis(
    "calibration",
    "Spread against error",
    _calibration,
    needs=(POTENTIAL, COMPARED_FRAMES),
    uses=(DATA_POSTERIOR,),
    costly=True,
)
