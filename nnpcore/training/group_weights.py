"""Weights of groups of frames in the loss: how many times their energies, forces and stresses count.

Groups (see :mod:`nnpcore.structures.groups`) differ in how well they are calculated and in how much they
matter. A weight stands beside how many times a frame counts (:mod:`nnpcore.training.counts`): the means of
the loss take each energy, force and stress as often as its frame's count times its group's weight. A weight
of zero leaves these labels out of everything that is learned; the errors that are shown still have them.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nnpcore.errors import DataError, SettingsError, TrainingError
from nnpcore.files import read_regular
from nnpcore.structures.groups import check_group_key, check_groups, groups_of, listed
from nnpcore.training.data import check_trainable
from nnpcore.training.history import Message, Severity
from nnpcore.training.settings import GroupWeights, TrainSettings, parsed_toml
from nnpcore.training.stress_order import stresses_in_order

if TYPE_CHECKING:
    from nnpcore.structures.frame import Frame

SETTING = "group_weights"
"""The setting that holds the weights, which errors name where no file does."""


def weights_of(frames: Sequence[Frame], settings: TrainSettings) -> np.ndarray:
    """Return how many times energy, forces and stress of each frame count by its group, (n_frames, 3)."""
    given = settings.group_weights
    if not given:
        return np.ones((len(frames), 3))
    usual = GroupWeights()
    names = groups_of(frames, settings.group_key)
    return np.array([given.get(name, usual).numbers for name in names]).reshape(-1, 3)


def counted_labels(frames: Sequence[Frame], settings: TrainSettings) -> tuple[Frame, ...]:
    """Return the frames without the labels whose groups have a weight of zero, the others with theirs;
    stresses in order.
    """
    frames = stresses_in_order(frames, settings)
    if not settings.group_weights:
        return tuple(frames)
    found = []
    for frame, weights in zip(frames, weights_of(frames, settings).tolist(), strict=True):
        energy, forces, stress = weights
        found.append(
            replace(
                frame,
                energy=frame.energy if energy else None,
                forces=frame.forces if forces else None,
                stress=frame.stress if stress else None,
                label_weights=(energy, forces, stress),
            )
            if weights != [1.0, 1.0, 1.0]
            else frame
        )
    return tuple(found)


def check_group_weights(
    train: Sequence[Frame], valid: Sequence[Frame], settings: TrainSettings, where: str = SETTING
) -> None:
    """Refuse weights of groups that no frame is of, and such as leave nothing to learn.

    A training itself takes groups that its frames lack, so that parts of some data can be trained on.
    ``where`` the weights were given.

    Raises
    ------
    DataError : a group that is not there, or no frame says its group so.
    TrainingError : every label that the loss asks for has a weight of zero.
    """
    if settings.group_weights:
        check_groups([*train, *valid], settings.group_key, settings.group_weights, where)
        check_something_counts(train, settings, where)


def notes_on_weights(
    train: Sequence[Frame], valid: Sequence[Frame], settings: TrainSettings
) -> list[Message]:
    """Return notes: groups that count other than once, or are those of no frame; a value that tells none."""
    notes = []
    try:
        check_group_key([*train, *valid], settings.group_key)
    except DataError as error:
        notes.append(Message(f"The files count as groups: {error}", Severity.NOTE))
    if not settings.group_weights:
        return notes
    there = set(groups_of([*train, *valid], settings.group_key))
    missing = [name for name in settings.group_weights if name not in there]
    notes.append(Message(sentence_on_weights(settings.group_weights), Severity.NOTE))
    if missing:
        notes.append(Message(f"No frame is of the group {listed(missing)}: its weight does nothing"))
    return notes


def check_something_counts(train: Sequence[Frame], settings: TrainSettings, where: str = SETTING) -> None:
    """Raise TrainingError where every label that the loss asks for has a weight of zero."""
    if not settings.group_weights:
        return
    energy, forces, stress = (weight > 0 for weight in settings.loss_weights)
    try:
        check_trainable(counted_labels(train, settings), energy=energy, forces=forces, stress=stress)
    except TrainingError:
        raise TrainingError(
            "the weights of the groups leave nothing to learn: all that the loss asks for has the weight 0",
            where=where,
            fix="Give a group with energies or forces a positive weight",
        ) from None


def read_weights(path: str | os.PathLike[str]) -> dict[str, GroupWeights]:
    """Read a TOML file with the weights of groups; SettingsError naming the file where it is none.

    A line ``"Surface" = 5`` weighs all of a group, ``"Surface" = {energy = 5, forces = 2}`` or a table
    ``[Surface]`` what is named. Settings of a training are read, too: their table ``group_weights`` counts.
    """
    try:
        values = parsed_toml(read_regular(Path(path)))
    except OSError as error:
        what = f"the weights cannot be read ({error.strerror})"
        raise SettingsError(what, where=str(path), fix="Choose a file with weights of groups") from None
    except (ValueError, RecursionError) as error:
        fix = 'Write a line for each group, such as "Surface" = {energy = 5, forces = 2}'
        raise SettingsError(f"this is not a TOML file ({error})", where=str(path), fix=fix) from None
    if not values:
        fix = 'Write a line for each group, such as "Surface" = 5, or leave the file out'
        raise SettingsError("there are no weights in this file", where=str(path), fix=fix)
    table = values["group_weights"] if isinstance(values.get("group_weights"), dict) else values
    try:
        return TrainSettings(group_weights=table).group_weights
    except SettingsError as error:
        place = error.where.removeprefix(SETTING).removeprefix(".")
        raise SettingsError(
            error.what, where=f"{path}, {place}" if place else f"{path}", fix=error.fix
        ) from None


def sentence_on_weights(weights: Mapping[str, GroupWeights]) -> str:
    """Return, for the user, which groups count other than once; "" where none does."""
    parts = [f"{group} {_text(own)}" for group, own in weights.items()]
    return f"Weights of groups: {'; '.join(parts)}" if parts else ""


def _text(weights: GroupWeights) -> str:
    energy, forces, stress = weights.numbers
    if energy == forces == stress:
        return f"{energy:g}"
    return f"energies {energy:g}, forces {forces:g}, stresses {stress:g}"
