"""Potentials from elsewhere: other programs' files, and calculators with the data they are looked at with."""

from __future__ import annotations

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

UNITS = "units"
N_COMPARED = 12


@dataclass(frozen=True, eq=False)
class ImportOrder:
    """Other programs' folders or files, one a member, and the frames they are mapped against.

    ``units`` is "", "angstrom-ev" or "bohr-hartree"; ``epoch`` -1 takes the final weights.
    """

    sources: tuple[str, ...]
    runs_folder: Path
    name: str = ""
    format: str = "auto"
    units: str = ""
    epoch: int = -1
    data: tuple[Frame, ...] = ()
    valid: tuple[Frame, ...] = ()
    n_threads: int | None = None


def import_potential(order: ImportOrder, progress: Progress) -> Path:
    """Make a read-only run folder and return it.

    Raises
    ------
    EatlasError : what ``import_run`` raises; ``where`` is the field "units" where the units must be told.
    """
    from nnpcore.exchange import import_run

    if not order.sources:
        raise SettingsError("no folder is given", where="sources", fix="Add the folder of the potential")
    progress.report(None, "Reading the potential")
    target = free_folder(order.runs_folder, order.name or Path(order.sources[0]).name)
    try:
        import_run(
            list(order.sources),
            target,
            format=order.format,
            data=order.data,
            valid=order.valid,
            units=order.units or None,
            epoch=None if order.epoch < 0 else order.epoch,
            n_threads=order.n_threads,
            progress=progress,
        )
    except EatlasError as error:
        if "units" in error.what and not order.units:
            fix = "Choose Å and eV, or Bohr and Hartree"
            raise SettingsError(error.what, where=UNITS, fix=fix) from None
        raise
    return target


@dataclass(frozen=True, eq=False)
class OpenedModel:
    """A calculator that answered, and the training atoms described by Eatlas' own symmetry functions.

    Attributes
    ----------
    model : ready to be asked; whoever takes it closes it.
    values, functions, whitening : for PCA, distance and connectivity; None without training data.
    text : what was found out about it, in words. atomic : whether it gives atomic energies; None untested.
    """

    model: SharedModel
    spec: CalculatorSpec
    values: TrainingValues | None
    functions: SymmetryFunctions | None
    whitening: Whitening | None
    text: str
    atomic: bool | None


@dataclass(frozen=True, eq=False)
class ModelOrder:
    """A calculator, a structure to try it on, and the frames it is mapped against.

    ``shift`` brings its zero of energy to that of the training data, element by element.
    """

    spec: CalculatorSpec
    trial: Frame | None
    data: tuple[Frame, ...] = ()
    valid: tuple[Frame, ...] = ()
    shift: bool = True
    n_threads: int | None = None


def open_model(order: ModelOrder, progress: Progress) -> OpenedModel:
    """Start a calculator in its own process, try it, and describe the training atoms.

    Raises
    ------
    PotentialError : it cannot be imported or made, crashes, or fails on the structure.
    """
    from nnpcore.potential.external.model import CalculatorModel

    model = SharedModel(CalculatorModel(order.spec))
    try:
        progress.report(None, f"Starting {model.name}")
        model.model.start(n_threads=order.n_threads, progress=progress)
        trial = order.trial or (order.data[0] if order.data else None)
        if trial is not None:
            progress.report(None, f"Trying {model.name} on {trial.n_atoms} atoms")
            model.predict([trial], progress=progress)
        if order.shift:
            model.shifts = _shifts(order, model, progress)
        found = _described(order, progress)
    except BaseException:
        model.close()
        raise
    return OpenedModel(model, order.spec, *found, _words(model), model.gives_atomic_energies)


def _shifts(order: ModelOrder, model: SharedModel, progress: Progress) -> dict[str, float]:
    """Compare total energies of some training frames."""
    known = [frame for frame in order.data if frame.energy is not None]
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
    order: ModelOrder, progress: Progress
) -> tuple[TrainingValues | None, SymmetryFunctions | None, Whitening | None]:
    """Describe the training atoms by the usual symmetry functions; Nones without data."""
    if not order.data:
        return None, None, None
    from ase.data import atomic_numbers, chemical_symbols

    from nnpcore.descriptors import SymmetryFunctions, Whitening, compute_descriptors
    from nnpcore.training import TrainingValues

    both, n_train = [*order.data, *order.valid], len(order.data)
    present = {chemical_symbols[n] for frame in both for n in np.unique(frame.numbers)}
    elements = sorted(present, key=atomic_numbers.__getitem__)
    functions = SymmetryFunctions.preset("26", elements)
    found = compute_descriptors(
        both, functions, derivatives=False, n_threads=order.n_threads, progress=progress
    )
    frame = found.frames_of_atoms
    training = frame < n_train
    whitening = Whitening.fit(found.values[training], found.species[training], functions)
    own = np.where(training, frame, frame - n_train).astype(np.int32)
    values = TrainingValues(found.values, found.species.astype(np.int32), own, training)
    return values, functions, whitening
