"""A crystal's own fine scan about its equilibrium, so that nothing hangs on the volumes somebody chose.

Where the crystals of a scan differ by their size alone, a crystal of any volume can be made of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from nnpcore.mapping.eos_fit import WINDOW
from nnpcore.mapping.invariant import InvariantPoints, invariant_points
from nnpcore.structures.frame import Frame

STEP = 0.01
"""Of the equilibrium volume, between two crystals of a fine scan."""

_STEPS = 15

SAME_SHAPE = 1e-3
"""Largest relative difference of cells and positions between crystals that count as scaled copies."""


def fine_points(
    points: InvariantPoints, center: float, *, n_threads: int | None = None
) -> InvariantPoints | None:
    """Return crystals at volumes in steps of 1 % up to 15 % about ``center``, Å³/atom.

    They have no reference energies. None where the crystals of ``points`` are no scaled copies of each other
    near ``center`` (a hexagonal crystal whose c/a changes along the scan).
    """
    if not scaled_copies(points, center):
        return None
    frames = crystals_at(points, center * (1.0 + STEP * np.arange(-_STEPS, _STEPS + 1)))
    return invariant_points(frames, points.functions, n_threads=n_threads)


def crystals_at(points: InvariantPoints, volumes: Sequence[float] | np.ndarray) -> list[Frame]:
    """Return crystals without labels at ``volumes``, Å³/atom, each the scan's nearest one scaled."""
    nearest = [int(np.abs(points.volumes - v).argmin()) for v in volumes]
    return [_at_volume(points.frames[k], float(v)) for k, v in zip(nearest, volumes, strict=True)]


def scaled_copies(points: InvariantPoints, v0: float) -> bool:
    """Return whether the crystals near V0 that have equally many atoms differ by their size alone."""
    by_size: dict[int, list[Frame]] = {}
    for volume, frame in zip(points.volumes, points.frames, strict=True):
        if abs(volume / v0 - 1.0) <= WINDOW:
            by_size.setdefault(frame.n_atoms, []).append(frame)
    return all(_alike(frames[0], other) for frames in by_size.values() for other in frames[1:])


def _alike(a: Frame, b: Frame) -> bool:
    """Whether cells are scaled copies and atoms stand at the same places in them."""
    metrics = [f.cell @ f.cell.T / f.volume ** (2.0 / 3.0) for f in (a, b)]
    if np.abs(metrics[0] - metrics[1]).max() > SAME_SHAPE * np.abs(metrics[0]).max():
        return False
    apart = np.linalg.solve(a.cell.T, a.positions.T) - np.linalg.solve(b.cell.T, b.positions.T)
    apart -= apart[:, :1]
    return bool(np.abs(apart - np.round(apart)).max() <= SAME_SHAPE)


def _at_volume(frame: Frame, volume: float) -> Frame:
    """Return the crystal scaled to a volume in Å³/atom, without labels."""
    factor = (volume * frame.n_atoms / frame.volume) ** (1.0 / 3.0)
    return replace(
        frame,
        positions=factor * frame.positions,
        cell=factor * frame.cell,
        energy=None,
        forces=None,
        stress=None,
    )
