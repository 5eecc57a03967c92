"""Units that an extended XYZ file names itself, such as ``energy-unit=hartree``: converted, or refused."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
from ase.units import Bohr, GPa, Hartree, Rydberg, bar, kcal, kJ, mol

from nnpcore.structures.frame import add_note
from nnpcore.structures.problems import FrameSyntaxError

_KEY = re.compile(
    r"(energ(?:y|ies)|forces?|stress|virials?|lengths?|pos(?:ition)?s?|cell|lattice)[-_. ]?units?|"
    r"units?[-_. ](energ(?:y|ies)|forces?|stress|virials?|lengths?|pos(?:ition)?s?|cell|lattice)",
    re.IGNORECASE,
)
_ENERGIES = {
    "ev": 1.0, "electronvolt": 1.0, "mev": 1e-3, "hartree": Hartree, "ha": Hartree, "eh": Hartree,
    "au": Hartree, "rydberg": Rydberg, "ry": Rydberg, "kcal/mol": kcal / mol, "kj/mol": kJ / mol,
}  # fmt: skip
_LENGTHS = {
    "angstrom": 1.0, "ang": 1.0, "a": 1.0, "bohr": Bohr, "au": Bohr, "nm": 10.0, "pm": 0.01,
}  # fmt: skip
_PRESSURES = {
    "gpa": GPa, "mpa": 1e-3 * GPa, "pa": 1e-9 * GPa, "kbar": 1e3 * bar, "kb": 1e3 * bar, "bar": bar,
}  # fmt: skip


def unit_behind(name: str, word: str) -> str:
    """Return the name of a unit that stands as a word behind a number, as in ``energy=-1.5 Ha``; "" for none.

    Its value is the word.
    """
    is_unit = word.lower().replace(" ", "") in _ENERGIES and word.lower() != "au"
    return "energy_unit" if is_unit and "energ" in name.lower() else ""


def convert_units(info: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
    """Convert a frame's values, before it is made, to eV and Å where ``info`` names other units.

    A note in ``info`` says what was converted. Values count by their names, so that ``REF_energy`` is an
    energy, too; ``positions`` and ``Lattice`` are the lengths.

    Raises
    ------
    FrameSyntaxError
        For units that are unknown.
    """
    named = {k: v for k, v in info.items() if "unit" in k.lower() and isinstance(v, str)}
    for key, text in named.items():
        match = _KEY.fullmatch(key)
        if match:
            quantity = (match.group(1) or match.group(2)).lower()
            _convert(info, arrays, quantity, _factor(quantity, key, text), f"{key}={text}")
        elif key.lower() in ("unit", "units"):
            _convert_all(info, arrays, key, text)


def _convert_all(info: dict[str, Any], arrays: dict[str, np.ndarray], key: str, text: str) -> None:
    """Convert a frame whose units stand in one word, or in a list such as "eV, Angstrom"."""
    word = text.lower().strip()
    if word in ("au", "a.u.", "atomic", "atomic units", "hartree", "hartree/bohr", "ha/bohr"):
        units = {"length": "bohr", "energy": "hartree", "force": "hartree/bohr", "stress": "hartree/bohr3"}
        for quantity, unit in (units | {"virial": "hartree"}).items():
            _convert(info, arrays, quantity, _factor(quantity, key, unit), f"{key}={text}")
        return
    parts = re.split(r"[\s,;/]+", word)
    if not all(part in ("ev", "metal", "ase", "angstrom", "ang", "a", "å", "a^3", "å³") for part in parts):
        raise FrameSyntaxError(f"its units, {key}={text}, are unknown")


def _factor(quantity: str, key: str, text: str) -> float:
    """Return one of a unit in eV and Å; FrameSyntaxError where it is unknown."""
    unit = text.lower().replace("^", "").replace("**", "").replace("å", "a").replace(" ", "")
    unit = re.sub(r"^e[-_]?v", "ev", unit)
    finders: dict[str, Callable[[str], float | None]] = {
        "energ": _ENERGIES.get, "virial": _ENERGIES.get, "force": _force, "stress": _pressure,
    }  # fmt: skip
    find = next((f for start, f in finders.items() if quantity.startswith(start)), _LENGTHS.get)
    found = find(unit)
    if found is None:
        raise FrameSyntaxError(f"the unit of {key}={text} is unknown")
    return found


def _force(unit: str) -> float | None:
    if unit == "au":
        return Hartree / Bohr
    energy, _, length = unit.rpartition("/")
    per = _LENGTHS.get(length)
    of = _ENERGIES.get(energy.strip("()"))
    return None if per is None or of is None else of / per


def _pressure(unit: str) -> float | None:
    if unit in _PRESSURES:
        return _PRESSURES[unit]
    energy, _, length = unit.rpartition("/")
    per = _LENGTHS.get(length.removesuffix("3")) if length.endswith("3") else None
    of = _ENERGIES.get(energy.strip("()"))
    return None if per is None or of is None else of / per**3


def _convert(
    info: dict[str, Any], arrays: dict[str, np.ndarray], quantity: str, factor: float, said: str
) -> None:
    """Scale what a quantity stands for."""
    if factor == 1.0:
        return
    start = quantity[:4]
    names = {"leng": ("Lattice", "positions"), "cell": ("Lattice",), "latt": ("Lattice",)}
    names |= dict.fromkeys(("pos", "posi"), ("positions",))
    for store in (info, arrays):
        for name, value in store.items():
            meant = name in names[start] if start in names else start in name.lower()
            if meant and np.asarray(value).dtype.kind in "if":
                store[name] = np.asarray(value) * factor if np.ndim(value) else value * factor
    add_note(info, f"converted to eV and Å because the file says {said}")
