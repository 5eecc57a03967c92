"""Looking at the folder of a run that another process trains."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nnpcore.errors import EatlasError
from nnpcore.training.watching import Activity, RunWatch, Sight

if TYPE_CHECKING:
    from nnpcore.potential import Potential
    from nnpcore.training import TrainingValues

Stamp = tuple[int, int]
"""Time of change and place of a file."""


@dataclass(frozen=True, eq=False)
class News:
    """What a look has found.

    Attributes
    ----------
    sight : what the folder shows. message : who trains there, in a sentence; empty where nobody does.
    potential, stamp : the potential and when it was written, where it has changed; else None.
    values : descriptors of the training atoms, where they were lacking and are there now; else None.
    """

    sight: Sight
    message: str = ""
    potential: Potential | None = None
    stamp: Stamp | None = None
    values: TrainingValues | None = None


def look_at(watch: RunWatch, stamp: Stamp | None, followed: bool, lacks_values: bool) -> News:
    """Look at a folder; its potential is read where it is trained in and has changed since ``stamp``.

    ``followed`` : whether it was trained in at the last look, so that its last potential is still to be read.
    """
    sight = watch.look()
    if sight.activity is Activity.TROUBLE or (not sight.writer and not followed):
        return News(sight)
    potential, new = _potential(watch, stamp)
    values = _values(watch) if lacks_values else None
    return News(sight, _message(sight), potential, new, values)


def _message(sight: Sight) -> str:
    """Return in a sentence what another process does."""
    if sight.activity is Activity.SILENT:
        return f"{sight.silence[:1].upper()}{sight.silence[1:]}."
    return f"Trained by {sight.writer}." if sight.writer else ""


def _potential(watch: RunWatch, stamp: Stamp | None) -> tuple[Potential | None, Stamp | None]:
    """Return the potential and its stamp where it has changed; one that cannot be read yet is left alone."""
    from nnpcore.potential import Potential

    try:
        status = os.stat(watch.path / "potential" / "potential.safetensors")
        new = status.st_mtime_ns, status.st_ino
        return (None, None) if new == stamp else (Potential.load(watch.path), new)
    except (OSError, EatlasError):
        return None, None


def _values(watch: RunWatch) -> TrainingValues | None:
    from nnpcore.training import RunFolder

    try:
        return RunFolder.open(watch.path).training_values()
    except EatlasError:
        return None
