"""A potential as a TorchScript module, which runs without Eatlas from Python and C++."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nnpcore.errors import PotentialError
from nnpcore.files import write_atomically

if TYPE_CHECKING:
    from nnpcore.potential import Potential

NAME = "potential.pt"


def write_torch(potential: Potential, folder: str | Path) -> list[Path]:
    """Write ``potential.pt``; return the files. Inputs and outputs stand in the README beside it.

    Raises
    ------
    PotentialError : an element without symmetry functions.
    RunFolderError : the folder cannot be written.
    """
    target = Path(folder) / NAME
    write_atomically(target, module_bytes(potential))
    return [target]


def module_bytes(potential: Potential) -> bytes:
    """Return what :func:`write_torch` writes."""
    import io

    import torch

    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TorchScript is to be replaced one day; C++ reads nothing else yet
        torch.jit.save(scripted(potential), buffer, _extra_files={"eatlas.json": _description(potential)})
    return buffer.getvalue()


def scripted(potential: Potential) -> Any:
    """Return the TorchScript module itself."""
    import torch

    from nnpcore.exchange.torch_script import module_of

    if any(not potential.functions.count(e) for e in potential.elements):
        raise PotentialError("an element has no symmetry functions", where=potential.name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.jit.script(module_of(potential))


def _description(potential: Potential) -> str:
    import nnpcore

    return json.dumps(
        {
            "written_by": f"Eatlas {nnpcore.__version__}",
            "elements": list(potential.elements),
            "cutoff": potential.cutoff,
            "n_members": potential.n_members,
            "units": {"length": "angstrom", "energy": "eV"},
            "inputs": ["species (n,)", "center (p,)", "neighbor (p,)", "vector (p, 3)"],
            "outputs": ["energies", "energies_std", "forces", "forces_std", "virial"],
        }
    )
