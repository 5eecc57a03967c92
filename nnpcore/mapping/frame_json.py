"""Structures as plain values for JSON: what region and monitor files keep of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from nnpcore.structures.frame import EXACT_ENERGIES, Frame


def plain_frame(frame: Frame) -> dict[str, Any]:
    """Return a structure as plain values for JSON, with its energy and exact atomic energies."""
    exact = frame.exact_energies
    return {
        "numbers": frame.numbers.tolist(),
        "positions": frame.positions.tolist(),
        "cell": frame.cell.tolist(),
        "pbc": [bool(p) for p in frame.pbc],
        "energy": frame.energy,
        EXACT_ENERGIES: None if exact is None else np.asarray(exact, dtype=float).tolist(),
        "source": frame.source,
        "index": frame.index,
    }


def frame_of(values: Mapping[str, Any]) -> Frame:
    """Rebuild a structure from :func:`plain_frame`; KeyError, TypeError or ValueError where damaged."""
    numbers = np.array(values["numbers"], dtype=np.int32)
    exact = values.get(EXACT_ENERGIES)
    return Frame(
        numbers=numbers,
        positions=np.array(values["positions"], dtype=np.float64).reshape(len(numbers), 3),
        cell=np.array(values["cell"], dtype=np.float64).reshape(3, 3),
        pbc=np.array(values["pbc"], dtype=bool).reshape(3),
        energy=None if values["energy"] is None else float(values["energy"]),
        arrays={} if exact is None else {EXACT_ENERGIES: np.array(exact, dtype=np.float64)},
        source=str(values["source"]),
        index=int(values["index"]),
    )
