"""Writing frames to extended XYZ."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from ase.data import chemical_symbols

from nnpcore.files import write_atomically
from nnpcore.structures.frame import Frame

PER_ATOM_NAMES = "per_atom_names"
"""Key of ``info`` in a .traj: which other keys are values of single atoms, for which it has no room."""


def write_frames(path: str | Path, frames: Iterable[Frame]) -> None:
    """Write frames to an extended XYZ file, all or nothing (a temporary file is renamed at the end).

    Positions, forces and every per-atom array (atomic energies, spreads, ...) keep ten significant digits or
    more; energy, stress, cell and the frame's other numbers are exact.

    Raises
    ------
    RunFolderError
        When the target cannot be written.
    """
    write_atomically(Path(path), "".join(format_frame(frame) for frame in frames).encode("utf-8"))


def format_frame(frame: Frame) -> str:
    """Return one frame as extended XYZ text."""
    names, columns = ["species:S:1", "pos:R:3"], [np.array(chemical_symbols)[frame.numbers][:, None]]
    columns.append(_texts(frame.positions))
    arrays = dict(frame.arrays)
    if frame.forces is not None:
        arrays = {"forces": frame.forces, **arrays}
    for name, values in arrays.items():
        kind = {"f": "R", "i": "I", "u": "I", "b": "L", "U": "S"}.get(values.dtype.kind)
        named = _is_word(name) and ":" not in name
        if kind is None or values.ndim > 2 or len(values) != frame.n_atoms or not named:
            continue
        table = values.reshape(frame.n_atoms, -1)
        names.append(f"{name}:{kind}:{table.shape[1]}")
        columns.append(_texts(table))
    rows = np.concatenate(columns, axis=1)
    body = "\n".join(" ".join(row) for row in rows.tolist())
    return f"{frame.n_atoms}\n{_comment(frame, ':'.join(names))}\n{body}\n"


def _texts(values: np.ndarray) -> np.ndarray:
    if values.dtype.kind == "f":
        words = [f"{x:.10g}" if abs(x) < 1.0 else f"{x:.10f}" for x in values.ravel().tolist()]
    elif values.dtype.kind == "b":
        words = ["T" if x else "F" for x in values.ravel().tolist()]
    else:
        words = ["_".join(str(x).split()) or "_" for x in values.ravel().tolist()]
    return np.array(words, dtype=object).reshape(values.shape)


def _comment(frame: Frame, properties: str) -> str:
    parts = [f'Lattice="{_numbers(frame.cell)}"'] if frame.cell.any() else []
    parts.append(f"Properties={properties}")
    values: dict[str, Any] = {"energy": frame.energy, "stress": frame.stress}
    values |= {
        k: v for k, v in frame.info.items() if k not in ("energy", "stress", "pbc", "Lattice", "Properties")
    }
    parts += [f"{key}={text}" for key, value in values.items() if _is_word(key) and (text := _value(value))]
    parts.append(f'pbc="{" ".join("T" if p else "F" for p in frame.pbc)}"')
    return " ".join(parts)


def _is_word(name: str) -> bool:
    return bool(name) and not any(c.isspace() or c in "=\"'{}[]\\" for c in name)


def _value(value: Any) -> str:
    """A value as it stands behind '='; empty for what extended XYZ cannot hold."""
    if isinstance(value, (bool, np.bool_)):
        return "T" if value else "F"
    if isinstance(value, (int, float, np.number)):
        return repr(value.item() if isinstance(value, np.number) else value)
    if isinstance(value, np.ndarray) and value.dtype.kind in "if" and 0 < value.size <= 100:
        return f'"{_numbers(value)}"'
    if isinstance(value, str) and value:
        return '"' + " ".join(value.replace('"', "'").split()) + '"'
    return ""


def _numbers(values: np.ndarray) -> str:
    return " ".join(repr(x) for x in np.asarray(values).ravel().tolist())
