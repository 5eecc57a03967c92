"""The benchmarks' reference workload: Stillinger-Weber silicon, 350 training and 150 validation frames."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from nnpcore.structures.frame import Frame

DATA = Path(__file__).with_name("data") / "si_sw_nvt.npz"
SCALE = 1e8
"""Positions and forces are stored as integers in units of 1e-8 Å and 1e-8 eV/Å: exact for this set."""


def load_workload(n_train: int | None = None, n_valid: int | None = None) -> tuple[list[Frame], list[Frame]]:
    """Return (training frames, validation frames), all of them or the first ones."""
    with np.load(DATA) as stored:
        arrays = {name: stored[name] for name in stored.files}
    return _frames(arrays, "train")[:n_train], _frames(arrays, "valid")[:n_valid]


def _frames(arrays: dict[str, np.ndarray], part: str) -> list[Frame]:
    positions = arrays[f"{part}_positions"] / SCALE
    forces = arrays[f"{part}_forces"] / SCALE
    numbers = np.full(positions.shape[1], 14, dtype=np.int32)
    return [
        Frame(
            numbers=numbers,
            positions=positions[i],
            cell=arrays["cell"],
            pbc=np.ones(3, dtype=bool),
            energy=float(arrays[f"{part}_energy"][i]),
            forces=forces[i],
            stress=arrays[f"{part}_stress"][i],
            source=f"si_sw_nvt ({part})",
            index=i,
        )
        for i in range(len(positions))
    ]
