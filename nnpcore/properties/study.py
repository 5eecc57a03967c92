"""All properties of one model: each by itself, so that what fails does not take the rest."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from ase import Atoms

from nnpcore.errors import Cancelled, EatlasError
from nnpcore.progress import Progress
from nnpcore.properties.asking import Asked
from nnpcore.properties.crystal import Crystal, bulk_frame, standardized
from nnpcore.properties.settings import PARTS, PropertySettings
from nnpcore.properties.values import Found, Properties, Value

if TYPE_CHECKING:
    from nnpcore.descriptors import SymmetryFunctions
    from nnpcore.potential.model import AtomicEnergyModel
    from nnpcore.properties.dynamics import Reach
    from nnpcore.structures.frame import Frame

Part = Callable[[Asked, Crystal, Progress], Found]
COSTS = {
    "lattice": 3.0, "eos": 3.0, "elastic": 5.0, "surfaces": 12.0, "vacancy": 6.0, "phonons": 2.0,
    "dynamics": 60.0,
}  # fmt: skip
"""How long the parts take, about, in some unit."""


@dataclass(frozen=True, eq=False)
class KnownData:
    """What a model was trained on: frames and the symmetry functions that tell how far others are."""

    frames: Sequence[Frame]
    functions: SymmetryFunctions


def find_crystal(
    structures: Sequence[Frame],
    model: AtomicEnergyModel,
    settings: PropertySettings,
    *,
    n_threads: int | None = None,
    progress: Progress | None = None,
) -> Crystal:
    """Return the crystal of lowest energy among structures, in its conventional cell.

    A structure without symmetry, such as a frame of dynamics, is relaxed by the model first.

    Raises
    ------
    AnalysisError : there is no crystal among them, or it does not come to rest.
    """
    frame = bulk_frame(structures)
    atoms = Atoms(numbers=frame.numbers, positions=frame.positions, cell=frame.cell, pbc=frame.pbc)
    found = standardized(atoms)
    if found.number > 2:
        return found
    asked = Asked(model, settings, n_threads)
    return standardized(asked.relaxed(atoms, progress or Progress(), cell=True))


def study_properties(
    model: AtomicEnergyModel,
    crystal: Crystal,
    settings: PropertySettings | None = None,
    *,
    known: KnownData | None = None,
    n_threads: int | None = None,
    progress: Progress | None = None,
) -> Properties:
    """Study a model's crystal, part by part.

    Parameters
    ----------
    model : an Eatlas potential, or any calculator as ``CalculatorModel``.
    crystal : where to start; the model relaxes it for itself.
    known : its training data, for what is said of reach; None where nobody knows.
    progress : told all along; cancels.

    Returns
    -------
    Properties
        A part that fails has one value, without a number and with the reason.
    """
    settings, progress = settings or PropertySettings(), progress or Progress()
    asked, begun = Asked(model, settings, n_threads), time.monotonic()
    names = [name for name in PARTS if settings.wants(name)]
    shares = progress.split([COSTS[name] for name in names])
    parts: dict[str, Found] = {}
    relaxed, why = crystal, ""
    for name, share in zip(names, shares, strict=True):
        told = share.part(0.0, 1.0, PARTS[name])
        if name == "lattice":
            relaxed, parts[name], why = _first(asked, crystal, told)
        elif why:
            parts[name] = _failure(name, why)
        else:
            parts[name] = _tried(name, partial(_part(name, known), asked, relaxed, told))
        share.report(1.0, f"{PARTS[name]}: done")
    name = model.name
    return Properties(name, crystal.text, model.n_members, parts, time.monotonic() - begun)


def _first(asked: Asked, crystal: Crystal, progress: Progress) -> tuple[Crystal, Found, str]:
    """Relax and measure the lattice; return the crystal, what was found, and why it failed or empty."""
    from nnpcore.properties.lattice import lattice, relaxed_crystal

    try:
        relaxed = relaxed_crystal(asked, crystal, progress)
        return relaxed, lattice(asked, relaxed, progress), ""
    except (Cancelled, KeyboardInterrupt, MemoryError):
        raise
    except Exception as error:
        return crystal, _failure("lattice", _reason(error)), _reason(error)


def _part(name: str, known: KnownData | None) -> Part:
    if name == "eos":
        from nnpcore.properties.lattice import equation_of_state as part
    elif name == "elastic":
        from nnpcore.properties.elastic import elastic_constants as part
    elif name == "surfaces":
        from nnpcore.properties.defects import surface_energies as part
    elif name == "vacancy":
        from nnpcore.properties.defects import vacancy as part
    elif name == "phonons":
        from nnpcore.properties.phonons import phonons as part
    else:
        from nnpcore.properties.dynamics import dynamics

        return lambda asked, crystal, progress: dynamics(asked, crystal, progress, _reach(known, asked))
    return part


def _reach(known: KnownData | None, asked: Asked) -> Reach | None:
    from nnpcore.cure.screening import Surroundings

    if known is None or not known.frames:
        return None
    return Surroundings(known.frames, known.functions, n_threads=asked.n_threads).of_frame


def _tried(name: str, work: Callable[[], Found]) -> Found:
    """Do it, or say why it failed; only what the user stops goes on."""
    try:
        return work()
    except (Cancelled, KeyboardInterrupt, MemoryError):
        raise
    except Exception as error:  # foreign calculators fail in their own ways
        return _failure(name, _reason(error))


def _reason(error: Exception) -> str:
    if isinstance(error, EatlasError):
        return f"{error.what}. {error.fix}" if error.fix else error.what
    return f"{type(error).__name__}: {error}"


def _failure(name: str, why: str) -> Found:
    return Found((Value(name, PARTS[name], "", None, why=why),))
