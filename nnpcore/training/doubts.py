"""What training frames lack, in words: too few that differ, stress that is asked for and not there, and what
may be why a training diverged."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from nnpcore.descriptors import SymmetryFunctions, neighbor_pairs
from nnpcore.descriptors.pool import no_neighbors
from nnpcore.errors import DataError
from nnpcore.structures.overlap import named
from nnpcore.training.history import Message, Severity

if TYPE_CHECKING:
    from nnpcore.structures.frame import Frame
    from nnpcore.training.settings import TrainSettings

_SAME = 1e-3
"""Å: frames whose atoms and cells differ by less are called equal."""

_ENOUGH = 10
"""With so many different frames nothing is said."""

_CLOSER, _LOOKED_AT = 0.8, 40
"""A trajectory is told by frames that follow each other: closer than this times the farthest; of so many."""

_EXTREME = 20.0
"""A force so many times the usual one is called extreme."""


LABELS = {"energy": "energies", "forces": "forces", "stress": "stresses"}
"""What a test compares with: attributes of a frame, and what they are called."""


def check_neighbors(frames: Sequence[Frame], cutoff: float) -> None:
    """Raise DataError where no atom of any frame has a neighbor within ``cutoff`` (Å)."""
    if not any(len(neighbor_pairs(f, cutoff, where=f.label(k)).neighbor) for k, f in enumerate(frames)):
        raise no_neighbors(cutoff)


def check_predictable(frames: Sequence[Frame], functions: SymmetryFunctions) -> None:
    """Raise what a prediction of frames would, before anybody has trained for it.

    That is PotentialError for an element without functions, and DataError for a structure that is none.
    """
    for k, frame in enumerate(frames):
        functions.species_index(frame.numbers, where=frame.label(k))
        neighbor_pairs(frame, functions.cutoff, where=frame.label(k))


def check_comparable(
    test: Sequence[Frame],
    train: Sequence[Frame],
    settings: TrainSettings,
    labels: Sequence[str] = tuple(LABELS),
) -> None:
    """Raise DataError where test frames have an element that no training frame has, or none of the labels."""
    from ase.data import chemical_symbols

    known = {chemical_symbols[z] for frame in train for z in np.unique(frame.numbers)}
    if settings.descriptors.functions is not None:
        known.update(SymmetryFunctions.from_dict(settings.descriptors.functions).elements)
    own = [{chemical_symbols[z] for z in np.unique(frame.numbers)} for frame in test]
    for symbol in sorted(set().union(*own) - known):
        places = [k for k, elements in enumerate(own) if symbol in elements]
        one = len(places) == 1
        contain = "test frame contains" if one else f"of the {len(test)} test frames contain"
        raise DataError(
            f"{len(places)} {contain} {symbol}, which no training frame has: {named(test, places)}",
            fix=f"Leave them out of the test, or train on frames with {symbol}",
        )
    if test and not any(getattr(frame, label) is not None for frame in test for label in labels):
        lacking = " and no ".join(LABELS[label] for label in labels)
        raise DataError(
            f"the {len(test)} test frames have no {lacking}: there is nothing to compare with",
            where=test[0].source,
            fix="Give frames with reference values, say where these are, or do without a test",
        )


def notes_on(frames: Sequence[Frame], settings: TrainSettings) -> list[Message]:
    """Return what a user should know about the training frames before the first epoch."""
    found = []
    n, different = len(frames), n_different(frames)
    if different < min(n, _ENOUGH) or n == 1:
        if n == 1:
            what = "There is only one training frame"
        elif different == 1:
            what = f"All {n} training frames are equal to {_SAME:g} Å"
        else:
            what = f"Of the {n} training frames only {different} differ by more than {_SAME:g} Å"
        found.append(Message(f"{what}: small errors here say nothing about other structures"))
    if settings.loss_weights[2] > 0:
        usable = sum(f.stress is not None and bool(np.all(f.pbc)) and f.volume > 0 for f in frames)
        if not usable:
            text = "no training frame has a stress in a cell that is periodic in all directions"
            found.append(Message(f"The weight of the stress counts for nothing: {text}"))
        elif usable < n:
            found.append(Message(f"{usable} of {n} training frames have a stress that counts"))
    return found


def n_different(frames: Sequence[Frame]) -> int:
    """Return how many frames there are that differ by more than :data:`_SAME`, counted up to enough."""
    seen = set()
    for frame in frames:
        arrays = (np.round(frame.positions / _SAME), np.round(frame.cell / _SAME), frame.numbers)
        seen.add(tuple((array + 0.0).tobytes() for array in arrays))
        if len(seen) >= _ENOUGH:
            break
    return len(seen)


def why_diverged(frames: Sequence[Frame]) -> str:
    """Return what a user should do about a training of which all members diverged."""
    forces = [np.abs(f.forces).max(initial=0.0) if f.forces is not None else 0.0 for f in frames]
    largest = int(np.argmax(forces))
    usual = float(np.median([force for force in forces if force > 0] or [0.0]))
    if forces[largest] > _EXTREME * usual > 0:
        where = frames[largest].label(largest)
        return f"Look at {where}: it has a force of {forces[largest]:.3g} eV/Å, {usual:.3g} are usual"
    different = n_different(frames)
    if different < min(len(frames), _ENOUGH):
        what = f"Of the {len(frames)} training frames only {different} differ"
        return f"{what}: add others, or take fewer epochs"
    return "Take a smaller network, other symmetry functions, or a lower learning rate (Adam)"


def notes_on_split(train: Sequence[Frame], valid: Sequence[Frame], split: str) -> list[Message]:
    """Say so where validation frames were drawn at random from among frames of a trajectory like them.

    Compared are the distances (Å, root mean square over atoms) to the nearest training frame in time and to
    the farthest of the same file.
    """
    near, far = [], []
    for frame in valid[:_LOOKED_AT] if split == "frames" else ():
        same = [f for f in train if f.source and f.source == frame.source]
        alike = [f for f in same if np.array_equal(f.numbers, frame.numbers)]
        if len(alike) >= _ENOUGH:
            alike.sort(key=lambda f: abs(f.index - frame.index))
            near.append(_apart(frame, alike[0]))
            far.append(_apart(frame, alike[-1]))
    if not near or np.median(near) >= _CLOSER * np.median(far):
        return []
    text = (
        "Validation frames lie among the training frames of a trajectory: they are "
        f"{np.median(near):.2g} Å from the nearest training frame in time, others {np.median(far):.2g} Å. "
        "Their errors look too small; a split by blocks of time, or better a test of other data, tells more"
    )
    return [Message(text, Severity.NOTE)]


def _apart(one: Frame, other: Frame) -> float:
    """Return how far atoms have moved between two frames, less their common motion and whole cells, Å."""
    moved = other.positions - one.positions
    if one.volume > 0:
        fractions = moved @ np.linalg.inv(one.cell)
        moved = (fractions - np.where(one.pbc, np.round(fractions), 0.0)) @ one.cell
    moved = moved - moved.mean(axis=0)
    return float(np.sqrt((moved**2).sum(axis=1).mean()))
