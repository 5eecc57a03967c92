"""VASP's ``vaspout.h5``: every ionic step with its energy (sigma → 0), forces and stress. Needs h5py."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from ase.units import bar

from nnpcore.errors import DataError
from nnpcore.structures.frame import Frame, add_note
from nnpcore.structures.problems import FrameProblem, FrameSyntaxError
from nnpcore.structures.readers.outputs import element_number
from nnpcore.structures.readers.reader import IndexedFrames, OpenFile, Reader

_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_STEPS, _ATOMS = "intermediate/ion_dynamics", "results/positions"
_MOST_UNPACKED = 1000
_PRESSURE = "input/incar/PSTRESS"
_PERHAPS = "PSTRESS is set: these energies may be enthalpies; compare one with the OUTCAR of the same run"


def read_vaspout(file: OpenFile) -> IndexedFrames:
    """Find the steps of a vaspout.h5; each is read when it is asked for.

    Raises
    ------
    DataError
        Without h5py, or where the file holds no steps.
    """
    content = _opened(file)
    numbers = _atomic_numbers(content, file.path)
    n_atoms = len(numbers)
    array = _arrays(content, file.path)
    cells, scaled = array("lattice_vectors", (3, 3)), array("position_ions", (n_atoms, 3))
    forces, stresses = array("forces", (n_atoms, 3)), array("stress", (3, 3))
    energies, column = _energies(content, array)
    if cells is None or scaled is None:
        raise _damaged(file.path, "it has no steps")
    pressed = _PRESSURE in content and bool(np.any(content[_PRESSURE][()]))
    given = [values for values in (cells, scaled, forces, stresses, energies) if values is not None]
    count = min(len(values) for values in given)
    n_steps = max(len(values) for values in given)

    def get(index: int) -> Frame | FrameProblem:
        if index >= count:
            return FrameProblem(index, "the step is not complete", "Use the frames before this one")
        cell = np.array(cells[index], dtype=np.float64)
        stress = None if stresses is None else np.array(stresses[index], dtype=np.float64)
        info: dict[str, object] = {}
        if pressed:
            add_note(info, _PERHAPS)
        return Frame(
            numbers=numbers,
            positions=np.array(scaled[index], dtype=np.float64) @ cell,
            cell=cell,
            pbc=np.ones(3, dtype=bool),
            energy=None if energies is None else float(energies[index][column]),
            forces=None if forces is None else np.array(forces[index], dtype=np.float64),
            stress=None if stress is None else -500 * bar * (stress + stress.T),
            info=info,
            source=str(file.path),
            index=index,
        )

    return IndexedFrames(n_steps, get)


def _opened(file: OpenFile) -> Any:
    """Return the content of a vaspout.h5; DataError without h5py, or where it is another file."""
    try:
        import h5py
    except ImportError:
        raise DataError(
            "reading HDF5 needs the package h5py, which is not installed",
            where=str(file.path),
            fix="Install it (pip install h5py), or open vasprun.xml of the same run",
        ) from None
    content: Any = h5py.File(file.stream, "r")
    if "results" not in content and "intermediate" not in content:
        raise DataError(
            "this HDF5 file is not VASP's vaspout.h5",
            where=str(file.path),
            fix="Convert it to extxyz; of DeePMD-kit open the folder of its .npy files",
        )
    return content


def _damaged(path: Path, why: str) -> DataError:
    what = f"the file is damaged or not what its name says ({why})"
    return DataError(what, where=str(path), fix="Open vasprun.xml of the same run instead")


def _atomic_numbers(content: Any, path: Path) -> np.ndarray:
    try:
        kinds = [bytes(kind).decode().strip() for kind in content[f"{_ATOMS}/ion_types"][()].ravel()]
        counts = np.array(content[f"{_ATOMS}/number_ion_types"][()]).ravel().astype(int)
        if len(kinds) != len(counts) or counts.min() < 1 or counts.sum() > path.stat().st_size:
            raise ValueError("the kinds of atoms do not fit their numbers")
        found = [element_number(kind) for kind in kinds]
    except (KeyError, ValueError, TypeError, FrameSyntaxError) as error:
        raise _damaged(path, f"no atoms: {error}") from None
    return np.repeat(np.array(found, dtype=np.int32), counts)


def _arrays(content: Any, path: Path) -> Callable[[str, tuple[int, ...]], Any]:
    """Return what gives a step-by-step array, checked for its shape and for its size beside the file's."""

    def array(name: str, shape: tuple[int, ...]) -> Any:
        values = content.get(f"{_STEPS}/{name}")
        if values is None:
            return None
        if getattr(values, "shape", ())[1:] != shape or values.dtype.kind != "f":
            raise _damaged(path, f"{name} has not the shape of {shape}")
        if values.nbytes > _MOST_UNPACKED * path.stat().st_size:
            raise _damaged(path, f"{name} is larger than the file can be")
        return values

    return array


def _energies(content: Any, array: Callable[[str, tuple[int, ...]], Any]) -> tuple[Any, int]:
    """Return the energies and the column of those for sigma → 0."""
    tags = content.get(f"{_STEPS}/energies_tags")
    if tags is None:
        return None, 0
    names = [bytes(tag).decode(errors="replace").strip() for tag in np.ravel(tags[()])]
    column = next((k for k, name in enumerate(names) if "sigma->0" in name), None)
    column = column if column is not None else next((k for k, n in enumerate(names) if "TOTEN" in n), 0)
    return array("energies", (len(names),)), column


VASPOUT = Reader("vasp-h5", read_vaspout, lambda path, head: head.startswith(_SIGNATURE), ("vaspout.h5",))
