"""Potentials from elsewhere: other programs' files, and calculators with the data they are looked at with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from app.workers.foreign import SharedModel, shifts_to
from app.workers.opening import free_folder
from nnpcore.errors import EatlasError, SettingsError
from nnpcore.progress import Progress

if TYPE_CHECKING:
    from nnpcore.descriptors import SymmetryFunctions, Whitening
    from nnpcore.potential.external.model import CalculatorSpec
    from nnpcore.structures.frame import Frame
    from nnpcore.training import TrainingValues

N_COMPARED = 12


def import_potential(
    sources: Sequence[str],
    runs_folder: Path,
    progress: Progress,
    *,
    name: str,
    format: str,
    units: str,
    epoch: int,
    data: Sequence[Frame],
    valid: Sequence[Frame],
    n_threads: int,
) -> Path:
    """Make a read-only run folder of other programs' folders or files, one a member, and return it.

    ``units`` is "", "angstrom-ev" or "bohr-hartree"; ``epoch`` -1 takes the final weights. It is mapped
    against the frames ``data`` and ``valid``.

    Raises
    ------
    EatlasError : what ``import_run`` raises; ``where`` is the field "units" where the units must be told.
    """
    from nnpcore.exchange import import_run

    progress.report(None, "Reading the potential")
    target = free_folder(runs_folder, name or Path(sources[0]).name)
    try:
        import_run(
            list(sources),
            target,
            format=format,
            data=data,
            valid=valid,
            units=units or None,
            epoch=None if epoch < 0 else epoch,
            n_threads=n_threads,
            progress=progress,
        )
    except EatlasError as error:
        if "units" in error.what and not units:
            fix = "Choose Å and eV, or Bohr and Hartree"
            raise SettingsError(error.what, where="units", fix=fix) from None
        raise
    return target


@dataclass(frozen=True, eq=False)
class OpenedModel:
    """A calculator that answered, and the training atoms described by Eatlas' own symmetry functions.

    Attributes
    ----------
    model : ready to be asked; whoever takes it closes it.
    text : what was found out about it, in words.
    values, functions, whitening : for PCA, distance and connectivity; None without training data.
    """

    model: SharedModel
    text: str
    values: TrainingValues | None = None
    functions: SymmetryFunctions | None = None
    whitening: Whitening | None = None


def open_model(
    spec: CalculatorSpec,
    trial: Frame | None,
    progress: Progress,
    *,
    data: Sequence[Frame],
    valid: Sequence[Frame],
    n_threads: int,
    shift: bool = True,
) -> OpenedModel:
    """Start a calculator in its own process, try it, and describe the training atoms it is mapped against.

    ``shift`` brings its zero of energy to that of the training data, element by element.

    Raises
    ------
    PotentialError : it cannot be imported or made, crashes, or fails on the structure ``trial``.
    """
    model = SharedModel(spec)
    try:
        progress.report(None, f"Starting {model.name}")
        model.start(n_threads=n_threads, progress=progress)
        trial = trial or (data[0] if data else None)
        if trial is not None:
            progress.report(None, f"Trying {model.name} on {trial.n_atoms} atoms")
            model.predict([trial], progress=progress)
        if shift:
            model.shifts = _shifts(model, data, progress)
        found = _described(data, valid, n_threads, progress) if data else (None, None, None)
    except BaseException:
        model.close()
        raise
    return OpenedModel(model, _words(model), *found)


def _shifts(model: SharedModel, data: Sequence[Frame], progress: Progress) -> dict[str, float]:
    """Compare total energies of some training frames."""
    known = [frame for frame in data if frame.energy is not None]
    if not known:
        return {}
    chosen = known[:: max(1, len(known) // N_COMPARED)][:N_COMPARED]
    progress.report(None, f"{model.name}: energies of {len(chosen)} training frames")
    found = model.predict(chosen, forces=False, stress=False, progress=progress)
    return shifts_to(chosen, found.energy.tolist())


def _words(model: SharedModel) -> str:
    known = model.gives_atomic_energies
    if known is None:
        return "It starts; open a structure to see what it gives."
    shifted = ", ".join(f"{shift:+.3f} eV for {element}" for element, shift in model.shifts.items())
    zero = f" Its energies are shifted to the training data's zero: {shifted}." if shifted else ""
    if known:
        return f"It gives atomic energies{f' ({model.note})' if model.note else ''}.{zero}"
    why = model.note or "this calculator gives no energies of single atoms"
    return (
        f"{why[:1].upper()}{why[1:]}. The equation of state of crystals (E / N) works; "
        f"maps of single atoms and regions do not.{zero}"
    )


def _described(
    data: Sequence[Frame], valid: Sequence[Frame], n_threads: int, progress: Progress
) -> tuple[TrainingValues, SymmetryFunctions, Whitening]:
    """Describe the training atoms by the usual symmetry functions."""
    from ase.data import atomic_numbers, chemical_symbols

    from nnpcore.descriptors import SymmetryFunctions
    from nnpcore.training import TrainingValues

    present = {chemical_symbols[n] for frame in (*data, *valid) for n in np.unique(frame.numbers)}
    elements = sorted(present, key=atomic_numbers.__getitem__)
    functions = SymmetryFunctions.preset("26", elements)
    values = TrainingValues.of_frames(data, valid, functions, n_threads=n_threads, progress=progress)
    return values, functions, values.whitening(functions)
