"""DeePMD-kit's folders of NumPy files: ``type.raw``, ``type_map.raw`` and ``set.*/coord.npy`` with others.

Lengths are Å, energies eV, forces eV/Å; ``virial`` is minus stress times volume, eV. A file ``nopbc`` tells
that nothing repeats. Of systems of mixed types ``real_atom_types.npy`` tells the elements frame by frame.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from ase.data import atomic_numbers

from nnpcore.errors import DataError
from nnpcore.structures.frame import Frame
from nnpcore.structures.problems import FrameProblem, FrameSyntaxError
from nnpcore.structures.readers.reader import TYPES_FIX, IndexedFrames, OpenFile, Reader

_TYPES = "type.raw"
_LARGEST_TEXT = 100_000_000
_LARGEST_MAP = 1_000_000


def is_system(path: Path, head: bytes = b"") -> bool:
    """Whether a path is a folder of DeePMD-kit, or the ``type.raw`` inside one."""
    folder = path if path.is_dir() else path.parent
    named = path.is_dir() or path.name == _TYPES
    return named and (folder / _TYPES).is_file() and any(folder.glob("set.*/coord.npy"))


def read_system(file: OpenFile) -> IndexedFrames:
    """Find the frames of all sets of a folder."""
    folder = file.path if file.path.is_dir() else file.path.parent
    elements = _elements(folder, file)
    types = _types(folder)
    sets = [_Set(part, len(types)) for part in sorted(folder.glob("set.*")) if part.is_dir()]
    places = [(part, k) for part in sets for k in range(part.count)]
    periodic = not (folder / "nopbc").exists()

    def get(index: int) -> Frame | FrameProblem:
        part, k = places[index]
        try:
            return part.frame(k, types, elements, periodic, str(file.path), index)
        except (FrameSyntaxError, ValueError, IndexError) as error:
            return FrameProblem(index, f"{part.folder.name}, frame {k}: {error}", "Mend this set")

    return IndexedFrames(len(places), get)


def _types(folder: Path) -> np.ndarray:
    """Return the types of the atoms by ``type.raw``."""
    path = folder / _TYPES
    try:
        if path.stat().st_size > _LARGEST_TEXT:
            raise ValueError("it is too large")
        words = path.read_text(encoding="utf-8").split()
        if not words or any(not word.isdigit() or len(word) > 4 for word in words):
            raise ValueError("numbers of types are expected")
        return np.array([int(word) for word in words])
    except (OSError, ValueError) as error:
        raise DataError(
            f"the types cannot be read ({error})", where=str(path), fix="Mend this file"
        ) from None


def _elements(folder: Path, file: OpenFile) -> np.ndarray:
    """Return the atomic numbers of the types by ``type_map.raw``, or as the user says."""
    path, symbols = folder / "type_map.raw", list(file.types)
    if path.is_file() and not symbols and path.stat().st_size < _LARGEST_MAP:
        text = path.read_text(encoding="utf-8", errors="replace")
        if not text.endswith("\n"):  # "S" may have been "Si"
            fix = "End its last line where it is whole"
            raise DataError("its last line has no end and may be cut off", where=str(path), fix=fix)
        symbols = text.split()
    if not symbols:
        raise DataError("its types have no elements (no type_map.raw)", where=str(folder), fix=TYPES_FIX)
    unknown = next((symbol for symbol in symbols if atomic_numbers.get(symbol, 0) < 1), None)
    if unknown is not None:
        raise DataError(f"{unknown!r} is not a chemical element", where=str(path), fix=TYPES_FIX)
    return np.array([atomic_numbers[symbol] for symbol in symbols], dtype=np.int32)


class _Set:
    """One ``set.*``: its arrays are mapped, not loaded."""

    def __init__(self, folder: Path, n_atoms: int) -> None:
        self.folder, self.n_atoms = folder, n_atoms
        coordinates = self._load("coord")
        if coordinates is None:
            raise self._damaged("coord", "it is missing")
        self.coordinates = coordinates
        self.count = len(coordinates)
        self.box, self.energy = self._load("box"), self._load("energy")
        self.force, self.virial = self._load("force"), self._load("virial")
        self.types = self._load("real_atom_types")
        sizes = {"coord": 3 * n_atoms, "box": 9, "force": 3 * n_atoms, "virial": 9, "energy": 1}
        sizes["real_atom_types"] = n_atoms
        found = (self.coordinates, self.box, self.force, self.virial, self.energy, self.types)
        for (name, size), values in zip(sizes.items(), found, strict=True):
            if values is not None and (len(values) != self.count or values.size != size * self.count):
                shape = " × ".join(map(str, values.shape))
                raise self._damaged(name, f"its shape {shape} does not fit {self.count} frames")

    def _load(self, name: str) -> np.ndarray | None:
        path = self.folder / f"{name}.npy"
        if not path.is_file():
            return None
        try:
            values: Any = np.load(path, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, EOFError, SyntaxError, TypeError) as error:
            raise self._damaged(name, str(error)) from None
        if not isinstance(values, np.ndarray) or values.dtype.kind not in "fiu" or values.ndim < 1:
            raise self._damaged(name, "it holds no numbers")
        return values

    def _damaged(self, name: str, why: str) -> DataError:
        where = str(self.folder / f"{name}.npy")
        return DataError(f"the array cannot be used ({why})", where=where, fix="Make this set again")

    def frame(
        self, k: int, types: np.ndarray, elements: np.ndarray, periodic: bool, source: str, index: int
    ) -> Frame:
        """Return one frame; atoms of type -1, which only fill up mixed systems, are left out."""
        own = types if self.types is None else np.asarray(self.types[k]).ravel().astype(int)
        real = own >= 0
        if (own >= len(elements)).any():
            raise FrameSyntaxError(f"type {int(own.max())} has no element, there are {len(elements)}")
        cell = np.zeros((3, 3)) if self.box is None else np.array(self.box[k], dtype=float).reshape(3, 3)
        periodic = periodic and self.box is not None
        volume = float(abs(np.linalg.det(cell)))
        stress = None
        if self.virial is not None and periodic and volume > 0.0:
            stress = -np.array(self.virial[k], dtype=np.float64).reshape(3, 3) / volume
            stress = 0.5 * (stress + stress.T)
        force = None if self.force is None else np.array(self.force[k], dtype=np.float64).reshape(-1, 3)[real]
        return Frame(
            numbers=elements[own[real]],
            positions=np.array(self.coordinates[k], dtype=np.float64).reshape(-1, 3)[real],
            cell=cell if periodic else np.zeros((3, 3)),
            pbc=np.full(3, periodic),
            energy=None if self.energy is None else float(np.ravel(self.energy[k])[0]),
            forces=force,
            stress=stress,
            source=source,
            index=index,
        )


DEEPMD = Reader("deepmd-npy", read_system, is_system, (_TYPES,), folders=True)
