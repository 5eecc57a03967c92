"""Comment lines of XYZ files that other programs write their own way: i-PI's cell, CP2K's energy."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from ase.geometry import cellpar_to_cell
from ase.units import Bohr

from nnpcore.structures.frame import add_note
from nnpcore.structures.problems import FrameSyntaxError

STEP_COMMENT = re.compile(r"^\s*i\s*=\s*(\d+),.*\bE\s*=\s*(\S+)")
"""The comment line of a frame that CP2K writes: `` i = 0, time = 0.000, E = -17.1643447508``."""

_CP2K = (
    "this is CP2K's trajectory, whose cell, forces and energy (Hartree) are not taken: open it as "
    "NAME-pos-1.xyz beside NAME-frc-1.xyz and NAME-1.cell"
)
_I_PI = re.compile(r"#\s*CELL[(\[{](abcABC|H|GENH)[)\]}]:?\s*((?:[-+]?[\d.]+(?:[eE][-+]?\d+)?\s+)+)(.*)")
_QUANTITY = re.compile(r"(\w+)(?:\(\w+\))?\{(\w+)\}")
_LENGTHS = {"angstrom": 1.0, "atomic_unit": Bohr, "automatic": Bohr, "nanometer": 10.0}


def parse_foreign(comment: str) -> tuple[dict[str, Any], float] | None:
    """Return what such a comment says, as of extended XYZ, and what positions count in Å; None for others.

    FrameSyntaxError for i-PI's files of forces or velocities, and for unknown units.
    """
    if match := STEP_COMMENT.match(comment):
        info: dict[str, Any] = {"step": int(match.group(1)) if len(match.group(1)) < 18 else 0}
        add_note(info, _CP2K)
        return info, 1.0
    match = _I_PI.match(comment)
    return None if match is None else _i_pi(*match.groups())


def _i_pi(kind: str, text: str, rest: str) -> tuple[dict[str, Any], float]:
    """Return cell and length of i-PI's frames; where it names no units they are Bohr."""
    units = dict(_QUANTITY.findall(rest))
    what = next((name for name in units if name != "cell"), "positions")
    if what not in ("positions", "x_centroid"):
        raise FrameSyntaxError(f"these are {what} of i-PI, not structures: open its file of positions")
    try:
        scale, of_cell = (_LENGTHS[units.get(name, "atomic_unit")] for name in (what, "cell"))
    except KeyError as error:
        raise FrameSyntaxError(f"the unit {error} of i-PI is unknown") from None
    numbers = [float(word) for word in text.split()]
    if len(numbers) != (6 if kind == "abcABC" else 9):
        raise FrameSyntaxError(f"its CELL({kind}) has {len(numbers)} numbers")
    if kind == "abcABC":
        cell = np.array(cellpar_to_cell([*(of_cell * x for x in numbers[:3]), *numbers[3:]]))
    else:
        cell = of_cell * np.array(numbers).reshape(3, 3)
        if kind == "H":  # its vectors stand in columns, the first along x
            if np.tril(cell, -1).any():
                raise FrameSyntaxError("its CELL(H) is no upper triangle")
            cell = cell.T
    info: dict[str, Any] = {"Lattice": cell, "pbc": np.ones(3, dtype=bool)}
    if scale != 1.0 or of_cell != 1.0:
        add_note(info, "converted to Å from i-PI's units")
    return info, scale
