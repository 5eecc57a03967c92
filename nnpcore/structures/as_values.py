"""Frames as plain values: arrays of all atoms laid end to end, which can be sent to other processes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from nnpcore.structures.frame import Frame

_LABELS = ("energy", "forces", "stress")
_SENT_INFO = (bool, int, float, str)


def frames_to_values(
    frames: Sequence[Frame], arrays: Sequence[str] = (), info: Sequence[str] = ()
) -> dict[str, Any]:
    """Return structures, labels and origins of frames as plain values.

    Parameters
    ----------
    frames : any; of their further values only those named are taken.
    arrays : names of per-atom arrays of numbers that go with them.
    info : names of per-frame numbers and texts that do.
    """
    found: dict[str, Any] = {
        "n_atoms": np.array([frame.n_atoms for frame in frames], dtype=np.int64),
        "numbers": _joined([frame.numbers for frame in frames], (0,), np.int32),
        "positions": _joined([frame.positions for frame in frames], (0, 3)),
        "cells": _joined([frame.cell for frame in frames], (0, 3)),
        "pbc": _joined([frame.pbc for frame in frames], (0,), np.bool_),
        "source": [frame.source for frame in frames],
        "index": [frame.index for frame in frames],
        "read_with": [frame.read_with for frame in frames],
        "label_weights": [list(frame.label_weights) for frame in frames],
        "arrays": [{name: f.arrays[name] for name in arrays if _is_sent(f.arrays.get(name))} for f in frames],
        "info": [{n: f.info[n] for n in info if isinstance(f.info.get(n), _SENT_INFO)} for f in frames],
    }
    for name in _LABELS:
        values = [getattr(frame, name) for frame in frames]
        found[f"has_{name}"] = np.array([value is not None for value in values], dtype=bool)
        there = [np.atleast_1d(np.asarray(value)) for value in values if value is not None]
        found[name] = _joined(there, (0,) if name == "energy" else (0, 3))
    return found


def frames_from_values(values: Mapping[str, Any]) -> list[Frame]:
    """Return the frames of :func:`frames_to_values`."""
    ends = np.cumsum(values["n_atoms"])
    places = {name: np.cumsum(values[f"has_{name}"]) - 1 for name in ("energy", "stress")}
    frames, next_force = [], 0
    for k, (end, n) in enumerate(zip(ends.tolist(), values["n_atoms"].tolist(), strict=True)):
        own, cell = slice(end - n, end), slice(3 * k, 3 * k + 3)
        energy = stress = forces = None
        if values["has_energy"][k]:
            energy = float(values["energy"][places["energy"][k]])
        if values["has_forces"][k]:
            forces, next_force = values["forces"][next_force : next_force + n], next_force + n
        if values["has_stress"][k]:
            place = 3 * int(places["stress"][k])
            stress = values["stress"][place : place + 3]
        frames.append(
            Frame(
                values["numbers"][own], values["positions"][own], values["cells"][cell], values["pbc"][cell],
                energy, forces, stress, dict(values["arrays"][k]), dict(values["info"][k]),
                values["source"][k], int(values["index"][k]), values["read_with"][k],
                label_weights=_three(values["label_weights"][k]),
            )
        )  # fmt: skip
    return frames


def _three(values: Sequence[float]) -> tuple[float, float, float]:
    first, second, third = values
    return float(first), float(second), float(third)


def _is_sent(values: object) -> bool:
    return isinstance(values, np.ndarray) and values.dtype.kind in "fiub"


def _joined(parts: Sequence[np.ndarray], empty: tuple[int, ...], kind: Any = np.float64) -> np.ndarray:
    return np.concatenate(parts).astype(kind, copy=False) if parts else np.zeros(empty, dtype=kind)
