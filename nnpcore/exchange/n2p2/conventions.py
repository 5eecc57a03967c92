"""What reading and writing n2p2's files share: names, letters, ways to scale and units."""

from __future__ import annotations

from typing import NamedTuple

from ase import units

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
