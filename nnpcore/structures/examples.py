"""The silicon data that ships with Eatlas."""

from __future__ import annotations

from pathlib import Path

from nnpcore.errors import DataError
from nnpcore.installation import RESOURCES

EXAMPLES: tuple[str, ...] = ("nvt", "npt", "eos")
"""Silicon: 64-atom cells at 1000 K and fixed volume, the same at zero pressure, the crystal's volume scan."""


def example_path(name: str) -> Path:
    """Return the file of a bundled example, from a checkout or an installed wheel alike.

    Raises
    ------
    DataError
        For an unknown name, or when the installation lacks its resources.
    """
    if name not in EXAMPLES:
        raise DataError(f"there is no bundled example '{name}'", fix=f"Choose one of {', '.join(EXAMPLES)}")
    path = RESOURCES / "data" / "si_dft" / f"{name}.extxyz"
    if not path.is_file():
        raise DataError("the bundled example is missing", where=str(path), fix="Install Eatlas again")
    return path
