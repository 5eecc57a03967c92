"""Dynamics by the current potential that stops where an atom leaves what is known, for a pool."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from nnpcore.cure.candidates import EXPLORED, Candidate
from nnpcore.errors import AnalysisError, SettingsError
from nnpcore.progress import Progress
from nnpcore.reference.sampling import Dynamics, SamplerSettings
from nnpcore.structures.frame import Frame
from nnpcore.units import MEV_PER_EV

if TYPE_CHECKING:
    from ase import Atoms

    from nnpcore.potential.calculator import EatlasCalculator
    from nnpcore.potential.model import AtomicEnergyModel


class Judge(Protocol):
    """Tells of every atom of a frame how well it is known."""

    def __call__(self, frame: Frame) -> tuple[np.ndarray | None, np.ndarray | None]:
        """Return the spread (n_atoms,), eV, and the distance (n_atoms,); None for what it lacks."""
        ...


@dataclass(frozen=True)
class ExploreSettings:
    """How to explore.

    Attributes
    ----------
    temperature : K. ensemble : "nvt" or "npt".
    timestep_fs, n_steps : of the dynamics, unless it stops before.
    every : steps between two looks. keep_every : looks between two frames that are kept.
    spread : meV; an atom whose energy is known less well stops the dynamics; None lets it go on.
    distance : the same for the distance to known surroundings, in the judge's unit: what is usual among them.
    seed : of the velocities.

    Raises :class:`SettingsError` for values out of range.
    """

    temperature: float = 600.0
    ensemble: str = "nvt"
    timestep_fs: float = 2.0
    n_steps: int = 2000
    every: int = 5
    keep_every: int = 10
    spread: float | None = None
    distance: float | None = 2.0
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("n_steps", "every", "keep_every"):
            if getattr(self, name) < 1:
                raise SettingsError("there must be at least one", where=name)
        for name in ("spread", "distance"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise SettingsError(
                    f"{value:g} is no limit", where=name, fix="Give a number above 0, or none"
                )
        self.sampler()

    def sampler(self) -> SamplerSettings:
        """Return what the dynamics itself is told."""
        return SamplerSettings(
            (self.temperature,), self.ensemble, timestep_fs=self.timestep_fs, spacing_fs=self.timestep_fs,
            n_frames=self.n_steps, seed=self.seed,
        )  # fmt: skip


@dataclass(frozen=True, eq=False)
class Look:
    """What is seen at one moment.

    Attributes
    ----------
    step : from 0. time_fs : since the start. temperature : of the velocities, K.
    frame : the structure, without labels.
    energies : (n_atoms,) eV, atomic energies by the potential.
    spread : (n_atoms,) eV, or None where nobody tells. distance : (n_atoms,) to known surroundings, or None.
    """

    step: int
    time_fs: float
    temperature: float
    frame: Frame
    energies: np.ndarray
    spread: np.ndarray | None
    distance: np.ndarray | None


@dataclass(frozen=True, eq=False)
class Exploration:
    """What the dynamics has met.

    Attributes
    ----------
    looks : those kept, in their order; the last one is where it stopped.
    reason : why it stopped before its last step, in words; empty where it did not.
    atom : the atom that left what is known, or None.
    """

    looks: tuple[Look, ...]
    reason: str = ""
    atom: int | None = None

    def candidates(self, name: str) -> list[Candidate]:
        """Return the structures as candidates for a pool."""
        return [Candidate(k.frame, EXPLORED, f"{name} at {k.time_fs:.0f} fs") for k in self.looks]


def explore(
    start: Atoms | Frame,
    model: AtomicEnergyModel,
    settings: ExploreSettings,
    *,
    judge: Judge | None = None,
    on_look: Callable[[Look], None] | None = None,
    stopped: Callable[[], bool] | None = None,
    n_threads: int | None = None,
    progress: Progress | None = None,
) -> Exploration:
    """Run molecular dynamics with a potential until it is through, or an atom leaves what is known.

    Parameters
    ----------
    start : a structure; not changed.
    model : the potential that moves the atoms.
    judge : how well atoms are known; without one the spread is that of the model's members.
    on_look : called in this thread for every look.
    stopped : asked at every look whether to end; what was met so far is returned.
    progress : told at every look; cancels.

    Raises
    ------
    AnalysisError : the structure cannot be moved. PotentialError : the model does not know an element.
    """
    dynamics, calculator = _begun(start, model, settings, n_threads)
    progress = progress or Progress()
    kept: list[Look] = []
    last, reason, atom = _look(dynamics, calculator, settings, 0, judge), "", None
    for step in range(1, settings.n_steps + 1):
        if (step - 1) % settings.every == 0:
            if on_look is not None:
                on_look(last)
            if (step - 1) % (settings.every * settings.keep_every) == 0:
                kept.append(last)
            reason, atom = _left_known(last, settings)
            if reason or (stopped is not None and stopped()):
                break
            progress.report(step / settings.n_steps, f"{last.time_fs:.0f} fs, {last.temperature:.0f} K")
        try:
            dynamics.step()
        except AnalysisError as error:
            reason = error.what
            break
        if step % settings.every == 0:
            last = _look(dynamics, calculator, settings, step, judge)
    if kept[-1] is not last:
        kept.append(last)
    return Exploration(tuple(kept), reason, atom)


def _begun(
    start: Atoms | Frame, model: AtomicEnergyModel, settings: ExploreSettings, n_threads: int | None
) -> tuple[Dynamics, EatlasCalculator]:
    """Return a structure that is about to move, and what moves it."""
    from nnpcore.potential.calculator import EatlasCalculator
    from nnpcore.reference.sampling import check_structure

    atoms = start.to_atoms() if isinstance(start, Frame) else start.copy()
    calculator, sampler = EatlasCalculator(model, n_threads=n_threads), settings.sampler()
    check_structure(atoms, calculator, sampler)
    return Dynamics(atoms, calculator, sampler, settings.temperature), calculator


def _look(
    dynamics: Dynamics,
    calculator: EatlasCalculator,
    settings: ExploreSettings,
    step: int,
    judge: Judge | None,
) -> Look:
    results = calculator.results
    atoms = dynamics.atoms
    frame = Frame(
        atoms.numbers.astype(np.int32), atoms.positions.copy(), atoms.cell.array.copy(), atoms.pbc.copy()
    )
    energies = np.array(results["energies"])
    spread, distance = judge(frame) if judge is not None else (None, None)
    if spread is None and np.any(results["energies_std"]):
        spread = np.array(results["energies_std"])
    time_fs = step * settings.timestep_fs
    return Look(step, time_fs, dynamics.kinetic_temperature, frame, energies, spread, distance)


def _left_known(look: Look, settings: ExploreSettings) -> tuple[str, int | None]:
    """Return why the dynamics should stop, and the atom it is for; ("", None) where it may go on."""
    if settings.spread is not None and look.spread is not None:
        atom = int(look.spread.argmax())
        spread = MEV_PER_EV * float(look.spread[atom])
        if spread > settings.spread:
            return f"the energy of atom {atom} is known to {spread:.0f} meV only", atom
    if settings.distance is not None and look.distance is not None:
        atom = int(look.distance.argmax())
        distance = float(look.distance[atom])
        if distance > settings.distance:
            return (
                f"the surroundings of atom {atom} are new (distance {distance:.2g} times the usual one)",
                atom,
            )
    return "", None
