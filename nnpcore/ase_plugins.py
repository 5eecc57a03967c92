"""Eatlas inside ASE: the calculator by name, the viewer, and n2p2's ``input.data`` as a file format.

ASE loads this module with ``ase.io`` and ``ase.visualize`` (their entry points), so it only names things;
what costs time is imported when used. For the calculator ASE has no entry point: it registers itself here.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from ase.utils.plugins import ExternalIOFormat, ExternalViewer

CALCULATOR = "eatlas"
"""Name under which ASE knows the calculator."""

VIEWER = ExternalViewer(desc="View atoms in the Eatlas window", module="nnpcore.ase_plugins")
"""For ``ase.visualize.view(atoms, viewer="eatlas")``."""

N2P2_DATA = ExternalIOFormat(
    desc="Reference data of n2p2 and RuNNer",
    code="+F",
    module="nnpcore.structures.readers.n2p2",
    glob="input.data",
)
"""For ``ase.io.read("input.data", format="n2p2-data")``; read in eV and Å whatever its units."""


def eatlas_calculator(potential: str | Path = "", **options: Any) -> Any:
    """Return the calculator of a run's or potential's folder; ``options`` are those of EatlasCalculator.

    Raises
    ------
    PotentialError, RunFolderError
        When there is no potential in the folder.
    """
    from nnpcore.errors import PotentialError
    from nnpcore.potential import Potential

    if not potential:
        raise PotentialError(
            "the calculator needs a potential", fix='Name its folder: get_calculator_class("eatlas")("run")'
        )
    return Potential.load(potential).calculator(**options)


def register() -> None:
    """Make ``ase.calculators.calculator.get_calculator_class("eatlas")`` answer, once."""
    from ase.calculators import calculator

    if CALCULATOR not in calculator.external_calculators:
        calculator.register_calculator_class(CALCULATOR, eatlas_calculator)


def view_eatlas(atoms: Any, data: Any = None, repeat: Any = None, **_: Any) -> subprocess.Popen[bytes]:
    """Open the window on atoms, or a list of them, in a process of its own; return it.

    ``data``, a value for each atom, is shown among the atoms' properties; ``repeat`` as in ``Atoms.repeat``.
    """
    import numpy as np
    from ase import Atoms

    from nnpcore.structures import Frame, write_frames

    images = [atoms] if isinstance(atoms, Atoms) else list(atoms)
    frames = []
    for image in images:
        frame = Frame.from_atoms(image.repeat(repeat) if repeat is not None else image)
        if data is not None and np.size(data) == frame.n_atoms:
            frame.arrays["data"] = np.asarray(data, dtype=np.float64).reshape(-1)
        frames.append(frame)
    folder = tempfile.mkdtemp(prefix="ase-view-")
    path = Path(folder) / "atoms.extxyz"
    write_frames(path, frames)
    return subprocess.Popen([sys.executable, "-m", "nnpcore.ase_plugins", str(path)])


def main(arguments: list[str]) -> int:
    """Show the file a viewer was asked for, and remove it and its folder when the window is closed."""
    import shutil

    from nnpcore.cli import main as eatlas

    (path,) = arguments
    try:
        return eatlas([path])
    finally:
        shutil.rmtree(Path(path).parent, ignore_errors=True)


register()

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
