"""JSON with structures of pymatgen, as mlearn, CHGNet and the Materials Project publish training sets.

Any nesting of lists and names is searched for objects with a ``structure`` (or several in a list); the
numbers beside it, or in its ``outputs``, are its labels. Total energies and forces with their usual names are
taken; everything else, stresses above all, is asked about. Six numbers of a stress stand in VASP's order, xx
yy zz xy yz zx.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from ase.data import atomic_numbers

from nnpcore.errors import DataError
from nnpcore.structures.frame import Frame
from nnpcore.structures.problems import FrameProblem, FrameSyntaxError
from nnpcore.structures.readers.reader import OpenFile, Reader, read_whole

_HEAD = re.compile(rb"\A\s*[\[{]")
_STRUCTURE = re.compile(rb'"(structure|sites|lattice)"\s*:')
_MAX_DEPTH = 8
_LARGEST = 4_000_000_000
_FIX = "Mend or remove this structure"
_FORCES = ("forces", "force")


def looks_like_structures(head: bytes) -> bool:
    """Whether a file that starts with ``head`` is JSON with structures of pymatgen."""
    return (
        _HEAD.match(head) is not None
        and _STRUCTURE.search(head) is not None
        and b'"__ase_objtype__"' not in head
        and b'"numbers"' not in head
    )


def read_structures(file: OpenFile) -> Iterator[Frame | FrameProblem]:
    """Yield the structures with their labels."""
    content = read_whole(file.stream, _LARGEST, str(file.path))
    try:
        document = json.loads(content)
    except RecursionError:
        raise DataError(
            "the file is damaged (nested too deep)", where=str(file.path), fix="Mend it"
        ) from None
    for index, (place, structure, labels) in enumerate(_found(document, "", 0)):
        file.check()
        try:
            yield _frame(structure, labels, str(file.path), index)
        except (FrameSyntaxError, ValueError, TypeError, KeyError, OverflowError, AttributeError) as error:
            reason = f"{error} is missing" if isinstance(error, KeyError) else str(error)
            yield FrameProblem(index, f"{reason[:200]} (entry {place or '/'})", _FIX)


def _found(value: Any, place: str, depth: int) -> Iterator[tuple[str, Any, Mapping[str, Any]]]:
    """Yield (place, structure, labels beside it)."""
    if depth > _MAX_DEPTH:
        return
    if isinstance(value, Mapping):
        structure = value.get("structure")
        if isinstance(structure, Mapping):
            outputs = value.get("outputs")
            more = outputs if isinstance(outputs, Mapping) else {}
            yield place, structure, {k: v for k, v in value.items() if k != "structure"} | dict(more)
        elif isinstance(structure, list):
            for k, own in enumerate(structure):
                labels = {
                    name: rows[k]
                    for name, rows in value.items()
                    if name != "structure" and isinstance(rows, list) and len(rows) == len(structure)
                }
                yield f"{place}/{k}", own, labels
        elif "sites" in value and "lattice" in value:
            yield place, value, {}
        else:
            for name, own in value.items():
                yield from _found(own, f"{place}/{name}", depth + 1)
    elif isinstance(value, list):
        for k, own in enumerate(value):
            if isinstance(own, Mapping | list):
                yield from _found(own, f"{place}/{k}", depth + 1)


def _frame(structure: Any, labels: Mapping[str, Any], source: str, index: int) -> Frame:
    sites = structure["sites"]
    lattice = structure.get("lattice")
    cell = np.array(lattice["matrix"], dtype=np.float64) if lattice else np.zeros((3, 3))
    if cell.shape != (3, 3):
        raise FrameSyntaxError(f"its lattice has the shape {cell.shape}")
    numbers = np.array([_number(site) for site in sites], dtype=np.int32)
    if all("abc" in site for site in sites):
        positions = np.array([site["abc"] for site in sites], dtype=np.float64).reshape(-1, 3) @ cell
    else:
        positions = np.array([site["xyz"] for site in sites], dtype=np.float64).reshape(-1, 3)
    info, arrays = _labels(labels, len(sites))
    pbc = lattice.get("pbc", [True] * 3) if lattice else [False] * 3
    energy = info.pop("energy", None)
    return Frame(
        numbers=numbers,
        positions=positions,
        cell=cell,
        pbc=np.array([bool(p) for p in pbc]).reshape(3),
        energy=float(energy) if isinstance(energy, int | float) and not isinstance(energy, bool) else None,
        forces=next((arrays.pop(name) for name in _FORCES if name in arrays), None),
        arrays=arrays,
        info=info,
        source=source,
        index=index,
    )


def _number(site: Mapping[str, Any]) -> int:
    kinds = site["species"]
    if len(kinds) != 1 or float(kinds[0].get("occu", 1)) != 1.0:
        raise FrameSyntaxError("a site is shared by several elements")
    number = atomic_numbers.get(str(kinds[0]["element"]), 0)
    if number < 1:
        raise FrameSyntaxError(f"{kinds[0]['element']!r} is not a chemical element")
    return number


def _labels(labels: Mapping[str, Any], n_atoms: int) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Sort labels into those of the structure and those of its atoms; energies per atom become totals."""
    info: dict[str, Any] = {}
    arrays: dict[str, np.ndarray] = {}
    for name, value in labels.items():
        if isinstance(value, str | bool | int | float):
            info[name] = value
        elif isinstance(value, list) and value:
            array = np.array(value) if not isinstance(value[0], str | Mapping | None) else np.array("")
            if array.dtype.kind not in "if" or array.ndim == 0:
                continue
            if array.shape == (6,) and re.search("stress|virial", name):
                array = array[[0, 3, 5, 3, 1, 4, 5, 4, 2]].reshape(3, 3)
            vectors = array.shape == (n_atoms, 3) and not re.search("stress|virial|lattice", name)
            scalars = array.shape == (n_atoms,) and not re.search("stress|virial|dipole", name)
            (arrays if vectors or scalars else info)[name] = array
    for name in [name for name in info if re.fullmatch(r".*energy_?per_?atom", name)]:
        total = name.replace("_per_atom", "").replace("per_atom", "")
        if isinstance(info[name], int | float):
            info.setdefault(f"{total}_total", info[name] * n_atoms)
    return info, arrays


PYMATGEN = Reader(
    "pymatgen-json", read_structures, lambda path, head: looks_like_structures(head), ("*.json",)
)
