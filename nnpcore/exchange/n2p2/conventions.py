"""What reading and writing n2p2's files share: letters, type numbers and the order of the functions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from ase import units

from nnpcore.descriptors.functions import G2, G4, G5, SymmetryFunction

INPUT, SCALING = "input.nn", "scaling.data"

LETTERS = {
    "l": "identity",
    "t": "tanh",
    "s": "sigmoid",
    "p": "softplus",
    "r": "relu",
    "g": "gaussian",
    "c": "cosine",
    "S": "reversed_sigmoid",
    "e": "exponential",
    "h": "harmonic",
}
"""Letter of each activation in ``global_activation_short``."""

TYPES: dict[type, int] = {G2: 2, G4: 3, G5: 9}
"""Number of each kind of symmetry function that n2p2 has, too."""

NUMBERS: dict[type, tuple[str, ...]] = {
    G2: ("eta", "r_s", "cutoff"),
    G4: ("eta", "lambda_", "zeta", "cutoff"),
    G5: ("eta", "lambda_", "zeta", "cutoff"),
}
"""Order of their numbers in a line of ``input.nn``."""

SCALINGS: dict[str, tuple[str, ...]] = {
    "none": (),
    "center": ("center_symmetry_functions",),
    "scale": ("scale_symmetry_functions",),
    "scale-center": ("scale_symmetry_functions", "center_symmetry_functions"),
    "sigma": ("scale_symmetry_functions_sigma",),
}
"""Keywords of each way to scale the inputs."""


class Units(NamedTuple):
    """Å and eV in one unit of length and energy of a folder, whose files do not tell them."""

    length: float
    energy: float


UNITS = {"angstrom-ev": Units(1.0, 1.0), "bohr-hartree": Units(units.Bohr, units.Hartree)}


def weights_name(atomic_number: int, epoch: int | None = None) -> str:
    """Name of an element's weights, of the finished potential or of an epoch of its training."""
    end = "data" if epoch is None else f"{epoch:06d}.out"
    return f"weights.{atomic_number:03d}.{end}"


def sort_key(function: SymmetryFunction, elements: Sequence[str]) -> tuple[Any, ...]:
    """Return what n2p2 sorts an element's functions by; ``elements`` are ordered by atomic number."""
    own = (getattr(function, parameter.name) for parameter in function.parameters)
    places = tuple(elements.index(e) for e in function.neighbor_elements)
    return (TYPES[type(function)], function.cutoff, *own, *places)


def sorted_order(functions: Sequence[SymmetryFunction], elements: Sequence[str]) -> list[int]:
    """Return which function is the first input, the second and so on."""
    return sorted(range(len(functions)), key=lambda k: sort_key(functions[k], elements))
