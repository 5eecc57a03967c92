"""Relaxation of structures with any calculator, with progress and cancelling."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.calculator import BaseCalculator

from nnpcore.errors import AnalysisError, SettingsError
from nnpcore.progress import Progress

MAX_STEP = 0.15
"""Longest move of an atom in one step, Å."""


def relax(
    atoms: Atoms,
    calculator: BaseCalculator,
    *,
    fmax: float = 0.01,
    max_steps: int = 500,
    cell: bool = False,
    strict: bool = True,
    rattle: float = 0.0,
    progress: Progress | None = None,
) -> Atoms:
    """Relax a copy of a structure to its next minimum (limited-memory BFGS).

    Parameters
    ----------
    atoms : where to start; stays as it is.
    calculator : any ASE calculator with forces, and with a stress where ``cell`` is wanted.
    fmax : largest force left on any atom, eV/Å.
    max_steps : steps after which it gives up.
    cell : relax the cell as well.
    strict : whether a structure that is not relaxed after ``max_steps`` is an error; otherwise it comes back
        with the force that is left in ``info["max_force"]``.
    rattle : first move every coordinate at random by so many Å (standard deviation), always in the same way:
        symmetric structures may rest on a saddle, where all forces vanish.

    Returns
    -------
    Atoms
        With the calculator attached, ``info["relax_steps"]`` and ``info["max_force"]`` (eV/Å).

    Raises
    ------
    SettingsError : for ``fmax`` or ``max_steps`` out of range.
    AnalysisError : when it does not converge (``strict``), or the energy is no number.
    """
    _check(fmax, max_steps)
    relaxed = atoms.copy()
    relaxed.calc = calculator
    if rattle > 0:
        relaxed.positions += rattle * np.random.default_rng(0).standard_normal(relaxed.positions.shape)
    steps, force = _minimise(relaxed, fmax, max_steps, cell, progress or Progress())
    if strict and force > fmax:
        raise AnalysisError(
            f"after {steps} steps the largest force is still {force:.2g} eV/Å, more than {fmax:g}",
            where="relaxation",
            fix="Allow more steps or a larger force, or start from a better structure",
        )
    relaxed.info["relax_steps"], relaxed.info["max_force"] = steps, force
    return relaxed


def _check(fmax: float, max_steps: int) -> None:
    if not fmax > 0:
        raise SettingsError(f"the force to relax to must be positive, not {fmax!r}", where="fmax")
    if max_steps < 1:
        raise SettingsError(f"a relaxation needs at least one step, not {max_steps!r}", where="max_steps")


def _minimise(atoms: Atoms, fmax: float, max_steps: int, cell: bool, progress: Progress) -> tuple[int, float]:
    """Move ``atoms`` downhill; return the number of steps and the largest force left."""
    from ase.filters import UnitCellFilter  # FrechetCellFilter's logarithm warns of its rounding
    from ase.optimize import LBFGS

    target: Any = UnitCellFilter(atoms) if cell else atoms
    optimizer = LBFGS(target, logfile=os.devnull, maxstep=MAX_STEP)
    first, force = None, np.inf
    for _ in optimizer.irun(fmax=fmax, steps=max_steps):
        force = float(np.linalg.norm(target.get_forces(), axis=1).max())
        if not np.isfinite(force):
            raise AnalysisError("the forces are no numbers", where="relaxation", fix="Check the structure")
        first = first or max(force, fmax)
        done = 1.0 if force <= fmax else np.log(first / force) / np.log(first / fmax)
        progress.report(float(np.clip(done, 0.0, 1.0)), f"Relaxing: {force:.3f} eV/Å left")
    return optimizer.nsteps, force
