"""Reference data of n2p2 and RuNNer: ``input.data``.

A structure stands between ``begin`` and ``end``: ``comment`` text, three ``lattice`` lines or none, a line
``atom x y z element charge atomic_energy fx fy fz`` each (the two numbers before the force are often 0), then
``energy`` and ``charge`` of the whole. The format has no units: RuNNer's own are Bohr and Hartree, others
write Å and eV. The distance between nearest atoms tells which.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain, islice
from typing import IO, Any

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers, chemical_symbols, covalent_radii
from ase.units import Bohr, Hartree

from nnpcore.structures.frame import EXACT_ENERGIES, Frame, add_note
from nnpcore.structures.problems import FrameProblem
from nnpcore.structures.readers.reader import (
    EV_ANGSTROM,
    FILE_UNITS,
    HARTREE_BOHR,
    UNKNOWN_UNITS,
    OpenFile,
    Reader,
)

ATOMIC_ENERGIES = ("atomic_energies", "energies", EXACT_ENERGIES)
"""Per-atom arrays that are written as the atoms' energies, the first that is there."""

_BEGIN = re.compile(rb"\A\s*begin[ \t]*\r?\n\s*(comment|lattice|atom|energy|charge|#)")
_FIX = "Mend or remove this frame"
_N_WORDS = 10
_OURS = "units eV and Angstrom"
_FRAMES_TO_TELL, _AGREE = 50, 0.9
_ALLOWED = (0.75, 1.35)  # nearest distance over the sum of covalent radii, in Å
_MAX_PAIRS = 400


class _LineError(ValueError):
    """A line that cannot be understood; the message says which."""


def read_input_data(
    stream: Iterable[bytes], source: str, units: str | None = None
) -> Iterator[Frame | FrameProblem]:
    """Yield the frames of an ``input.data`` file, a :class:`FrameProblem` for each damaged one.

    Parameters
    ----------
    stream : its lines.
    source : its path, for the frames.
    units : ``EV_ANGSTROM`` or ``HARTREE_BOHR``; None decides by what the comments say, else by the distances
        of the first frames; where these tell nothing, or contradict each other, the units stay unknown.
    """
    blocks = _read_blocks(stream, source)
    if units is None:
        waiting = list(islice(blocks, _FRAMES_TO_TELL))
        units = _units_of([item for item in waiting if isinstance(item, Frame)])
        blocks = chain(waiting, blocks)
    for item in blocks:
        if not isinstance(item, Frame):
            yield item
        elif units is None:
            yield replace(item, info=item.info | {FILE_UNITS: UNKNOWN_UNITS})
        else:
            yield _converted(item, units)


def _units_of(frames: Sequence[Frame]) -> str | None:
    """Return the units that a comment of Eatlas names, or that the distances of nearly all frames tell."""
    if any(_OURS in str(frame.info.get("comment", "")) for frame in frames):
        return EV_ANGSTROM
    told = Counter(units for frame in frames if (units := guess_units(frame)) is not None)
    return next((units for units, count in told.items() if count >= _AGREE * told.total()), None)


def guess_units(frame: Frame) -> str | None:
    """Tell the units of a frame's lengths by its nearest neighbors, or None where both are possible.

    Two bonded atoms are about the sum of their covalent radii apart; in Bohr that number is 1.9 times larger.
    """
    if frame.n_atoms < 1:
        return None
    ratio, (low, high) = _nearest_ratio(frame), _ALLOWED
    units = ((EV_ANGSTROM, 1.0), (HARTREE_BOHR, Bohr))
    fits = [unit for unit, scale in units if low <= ratio * scale <= high]
    return fits[0] if len(fits) == 1 else None


def _nearest_ratio(frame: Frame) -> float:
    """Smallest distance over the sum of covalent radii, of the first atoms to all, images included."""
    radii = covalent_radii[frame.numbers]
    chosen = slice(0, max(1, _MAX_PAIRS // 10))
    images = np.array([[0, 0, 0]])
    if frame.pbc.all():
        images = np.array(np.meshgrid(*[[0, -1, 1]] * 3)).reshape(3, -1).T
    best = np.inf
    for shift in images @ frame.cell:
        vectors = frame.positions[None] + shift - frame.positions[chosen, None]
        ratios = np.linalg.norm(vectors, axis=2) / (radii[None] + radii[chosen, None])
        best = min(best, float(ratios[ratios > 1e-6].min(initial=np.inf)))
    return best


def _converted(frame: Frame, units: str) -> Frame:
    info = frame.info | {FILE_UNITS: units}
    if units == EV_ANGSTROM:
        return replace(frame, info=info)
    arrays = dict(frame.arrays)
    if "atomic_energies" in arrays:
        arrays["atomic_energies"] = arrays["atomic_energies"] * Hartree
    return replace(
        frame,
        positions=frame.positions * Bohr,
        cell=frame.cell * Bohr,
        energy=None if frame.energy is None else frame.energy * Hartree,
        forces=None if frame.forces is None else frame.forces * (Hartree / Bohr),
        arrays=arrays,
        info=info,
    )


def _read_blocks(stream: Iterable[bytes], source: str) -> Iterator[Frame | FrameProblem]:
    """Yield the structures as they stand; one that is damaged ends at its ``end`` or the next ``begin``."""
    block: list[tuple[int, list[str]]] | None = None
    index, number = 0, 0
    for number, line in enumerate(stream, start=1):
        words = line.decode("utf-8", errors="replace").split()
        if not words or words[0].startswith("#"):
            continue
        if words[0] == "begin":
            if block is not None:
                yield FrameProblem(index, f"it has no 'end' before the next 'begin' in line {number}", _FIX)
                index += 1
            block = []
        elif block is None:
            yield FrameProblem(index, f"line {number} stands outside of begin and end: {words[0]!r}", _FIX)
            return
        elif words[0] == "end":
            try:
                yield _frame(block, source, index)
            except _LineError as error:
                yield FrameProblem(index, str(error), _FIX)
            block, index = None, index + 1
        else:
            block.append((number, words))
    if block is not None:
        yield FrameProblem(index, f"the file ends in line {number}, before this frame's 'end'", _FIX)


def _frame(block: list[tuple[int, list[str]]], source: str, index: int) -> Frame:
    lattice: list[list[float]] = []
    symbols: list[int] = []
    rows: list[list[float]] = []
    values: dict[str, Any] = {}
    for number, words in block:
        key, rest = words[0], words[1:]
        if key == "atom":
            symbol, row = _atom(rest, number)
            symbols.append(symbol)
            rows.append(row)
        elif key == "lattice":
            lattice.append(_numbers(rest, 3, number, "lattice"))
        elif key in ("energy", "charge"):
            values[key] = _numbers(rest, 1, number, key)[0]
        elif key == "comment":
            values["comment"] = " ".join(rest)
        else:
            raise _LineError(f"line {number} starts with {key!r}, which is no word of this format")
    if len(lattice) not in (0, 3):
        raise _LineError(f"it has {len(lattice)} 'lattice' lines, expected three or none")
    table = np.array(rows, dtype=np.float64).reshape(-1, 8)
    info = {k: v for k, v in values.items() if k == "comment" or (k == "charge" and v)}
    arrays = {"charges": table[:, 3]} if table[:, 3].any() else {}
    if table[:, 4].any():
        arrays["atomic_energies"] = table[:, 4]
    cell = np.array(lattice) if lattice else np.zeros((3, 3))
    energy, forces = _labels(values.get("energy"), table[:, 5:].copy(), info)
    return Frame(
        numbers=np.array(symbols, dtype=np.int32),
        positions=table[:, :3].copy(),
        cell=cell,
        pbc=np.full(3, bool(lattice)),
        energy=energy,
        forces=forces,
        arrays=arrays,
        info=info,
        source=source,
        index=index,
    )


def _labels(
    energy: float | None, forces: np.ndarray, info: dict[str, Any]
) -> tuple[float | None, np.ndarray | None]:
    """Return energy and forces; zeros stand for missing ones, for the format has no other way.

    Forces that are exactly zero on more than one atom, and an energy of exactly zero, are placeholders; an
    atom alone has no forces, and may be what energies are counted from.
    """
    if len(forces) < 2:
        return energy, forces
    missing = ["forces"] if not forces.any() else []
    missing += ["energy"] if energy == 0.0 else []
    if missing:
        add_note(info, f"zeros stand for {' and '.join(sorted(missing))}, which are not taken")
    return (None if "energy" in missing else energy), (None if "forces" in missing else forces)


def _atom(words: list[str], number: int) -> tuple[int, list[float]]:
    """Return atomic number and x, y, z, charge, atomic energy, fx, fy, fz of one line."""
    if len(words) != _N_WORDS - 1:
        raise _LineError(f"line {number} has {len(words)} values behind 'atom' where 9 are expected")
    symbol = atomic_numbers.get(words[3].capitalize())
    if symbol is None:
        raise _LineError(f"line {number}: {words[3]!r} is not a chemical element")
    return symbol, _numbers(words[:3] + words[4:], 8, number, "atom")


def _numbers(words: list[str], count: int, number: int, key: str) -> list[float]:
    try:
        values = [float(word) for word in words]
    except ValueError:
        values = []
    if len(values) != count:
        text = " ".join(words)
        raise _LineError(f"line {number}: {key!r} is followed by {text[:60]!r}, expected {count} numbers")
    return values


def format_frame(frame: Frame) -> str:
    """Return one frame as a block of ``input.data`` in eV and Å.

    What it lacks (energy, forces) is written as 0, for the format has no other way; the comment says so.
    """
    missing = [n for n, v in (("energy", frame.energy), ("forces", frame.forces)) if v is None]
    note = f"; no {' and '.join(missing)}" if missing else ""
    comment = str(frame.info.get("comment", "")).replace("\n", " ").partition(_OURS)[0].strip(" ;")
    lines = ["begin", f"comment {comment}{'; ' if comment else ''}{_OURS}{note}"]
    if frame.pbc.any():
        lines += ["lattice " + " ".join(f"{x:.10f}" for x in vector) for vector in frame.cell]
    forces = np.zeros((frame.n_atoms, 3)) if frame.forces is None else frame.forces
    charges = frame.arrays.get("charges", np.zeros(frame.n_atoms))
    energies = next((frame.arrays[n] for n in ATOMIC_ENERGIES if n in frame.arrays), np.zeros(frame.n_atoms))
    for k in range(frame.n_atoms):
        position = " ".join(f"{x:.10f}" for x in frame.positions[k])
        force = " ".join(f"{x:.10f}" for x in forces[k])
        symbol = chemical_symbols[frame.numbers[k]]
        lines.append(f"atom {position} {symbol} {charges[k]:.8f} {energies[k]:.10f} {force}")
    charge = frame.info.get("charge", 0.0)
    lines += [f"energy {(frame.energy or 0.0):.10f}", f"charge {float(charge):.8f}", "end", ""]
    return "\n".join(lines)


def read_n2p2_data(file: IO[str], index: int | slice = -1) -> Atoms | list[Atoms]:
    """Read for ASE (``ase.io.read(..., format="n2p2-data")``): the atoms at an index or slice."""
    lines = (line.encode() for line in file)
    atoms = []
    for item in read_input_data(lines, str(getattr(file, "name", ""))):
        if not isinstance(item, Frame):
            raise ValueError(str(item))
        atoms.append(item.to_atoms())
    return atoms[index]


def write_n2p2_data(file: IO[str], images: Iterable[Atoms]) -> None:
    """Write for ASE (``ase.io.write(..., format="n2p2-data")``)."""
    file.writelines(format_frame(Frame.from_atoms(atoms)) for atoms in images)


def _read(file: OpenFile) -> Iterator[Frame | FrameProblem]:
    return read_input_data(file.stream, str(file.path), file.units or None)


INPUT_DATA = Reader(
    "n2p2-data",
    _read,
    lambda path, head: _BEGIN.search(head) is not None,
    ("input.data",),
    {"eV": EV_ANGSTROM, "Ha": HARTREE_BOHR},
)
