"""How a posterior is made: basis and length from some frames, then all frames once, then the tempering."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from nnpcore.cluster import Executor
from nnpcore.descriptors import SymmetryFunctions, compute_descriptors
from nnpcore.errors import DataError
from nnpcore.posterior.basis import Atoms, SparseBasis, make_bases
from nnpcore.posterior.evidence import Hyperparameters, Solution, best_hyperparameters, first_guess
from nnpcore.posterior.misfit import misfit_of
from nnpcore.posterior.moments import ENERGY, KINDS, STRESS, Moments, labelled_stress
from nnpcore.posterior.scatter import plausible_scatter, scatter_precision
from nnpcore.posterior.settings import PosteriorSettings
from nnpcore.posterior.streaming import batches, summed
from nnpcore.posterior.targets import Target
from nnpcore.posterior.tempering import EnergyRows, found_tempering
from nnpcore.progress import Progress
from nnpcore.structures.frame import Frame
from nnpcore.threads import one_blas_thread

_MOST_FRAMES_FOR_CENTERS = 200
_MOST_FRAMES_FOR_ENERGIES = 400


@dataclass(frozen=True, eq=False)
class Fitted:
    """The parts of a posterior, see :class:`nnpcore.posterior.Posterior`."""

    basis: SparseBasis
    hyper: Hyperparameters
    zeros: np.ndarray
    moments: Mapping[str, Moments]
    scatter: np.ndarray
    solution: Solution
    misfit: float
    n_frames: int


def fit(
    frames: Sequence[Frame],
    functions: SymmetryFunctions,
    *,
    targets: Sequence[Target],
    kinds: tuple[str, ...],
    settings: PosteriorSettings,
    n_threads: int | None,
    progress: Progress,
    executor: Executor | None = None,
) -> Fitted:
    """See :meth:`nnpcore.posterior.Posterior.fit`."""
    used = [frame for frame in frames if _has_label(frame, kinds)]
    if not used:
        raise DataError("no frame has a label to learn from", fix="Give frames with energies or forces")
    zeros = element_zeros(used, functions)
    with one_blas_thread():
        some = spread_frames(used, _MOST_FRAMES_FOR_CENTERS, 10**5)
        atoms = _atoms_of(some, functions, n_threads, progress.part(0.0, 0.1))
        bases = _bases(atoms, functions, targets, settings, n_threads, progress.part(0.1, 0.15))
        sample = spread_frames(used, settings.n_sample, settings.max_sample_atoms)
        chosen, hyper = _choose(bases, sample, zeros, kinds, settings, progress.part(0.15, 0.4))
        moments = summed(chosen, used, zeros, kinds, n_threads, progress.part(0.4, 1.0), executor)
        energies = _energy_rows(chosen, used, zeros, n_threads)
        hyper = _tempered(moments, hyper, energies, settings)
        scatter = np.zeros((chosen.size, chosen.size))
        if settings.binding_energy is not None:
            sizes = plausible_scatter(atoms, functions, settings.binding_energy)
            scatter = scatter_precision(chosen, atoms, sizes)
        solution = Solution.of(moments, hyper, scatter)
    misfit = misfit_of(energies, hyper, solution)
    return Fitted(chosen, hyper, zeros, moments, scatter, solution, misfit, len(used))


def with_stresses(
    before: Fitted,
    frames: Sequence[Frame],
    rows: Sequence[np.ndarray | None],
    settings: PosteriorSettings,
    n_threads: int | None,
) -> Fitted:
    """Return what has learned the stresses of its own frames, too, with the same basis.

    ``rows`` : (6, m) of the stress of each frame, None for one without a volume.
    """
    stress = Moments.zero(before.basis.size)
    for frame, own in zip(frames, rows, strict=True):
        labelled = None if own is None else labelled_stress(own, frame)
        if labelled is not None:
            stress += Moments.of(*labelled)
    if not stress.n:
        return before
    moments = {**before.moments, STRESS: stress}
    with one_blas_thread():
        noise = {**first_guess(before.hyper.length, moments).noise, **before.hyper.noise}
        hyper = replace(before.hyper, noise=noise, tempering={})
        energies = _energy_rows(before.basis, frames, before.zeros, n_threads)
        hyper = _tempered(moments, hyper, energies, settings)
        solution = Solution.of(moments, hyper, before.scatter)
        misfit = misfit_of(energies, hyper, solution)
        return replace(before, hyper=hyper, moments=moments, solution=solution, misfit=misfit)


def _tempered(
    moments: Mapping[str, Moments],
    hyper: Hyperparameters,
    energies: EnergyRows,
    settings: PosteriorSettings,
) -> Hyperparameters:
    """Return signal and noises of the largest evidence, and the tempering."""
    hyper, _ = best_hyperparameters(moments, hyper, settings)
    if settings.tempering is None:
        tempering = found_tempering(moments, hyper, energies)
    else:
        tempering = {kind: settings.tempering for kind in moments if kind != ENERGY}
    return replace(hyper, tempering=tempering)


def _has_label(frame: Frame, kinds: tuple[str, ...]) -> bool:
    weights = zip(KINDS, frame.label_weights, strict=True)
    return any(kind in kinds and w > 0 and getattr(frame, kind) is not None for kind, w in weights)


def element_zeros(frames: Sequence[Frame], functions: SymmetryFunctions) -> np.ndarray:
    """Return the energy of an atom of each element (n_elements,), eV: least squares on the total energies.

    Zero for an element that no frame has, or where there are no energies.
    """
    with_energy = [f for f in frames if f.energy is not None]
    n = len(functions.elements)
    if not with_energy:
        return np.zeros(n)
    counts = np.array(
        [np.bincount(functions.species_index(f.numbers), minlength=n) / f.n_atoms for f in with_energy]
    )
    energies = np.array([f.energy / f.n_atoms for f in with_energy if f.energy is not None])
    return np.linalg.lstsq(counts, energies, rcond=1e-6)[0]


def spread_frames(frames: Sequence[Frame], most: int, most_atoms: int) -> list[Frame]:
    """Return frames evenly spread over the list, at most so many and with so many atoms; two at least."""
    mean_atoms = sum(f.n_atoms for f in frames) / len(frames)
    n = min(len(frames), max(2, min(most, int(most_atoms / mean_atoms))))
    places = np.unique(np.linspace(0, len(frames) - 1, n).round().astype(int))
    return [frames[k] for k in places]


def _atoms_of(
    frames: Sequence[Frame], functions: SymmetryFunctions, n_threads: int | None, progress: Progress
) -> Atoms:
    found = compute_descriptors(frames, functions, derivatives=False, n_threads=n_threads, progress=progress)
    return Atoms(found.values, found.species)


def _bases(
    training: Atoms,
    functions: SymmetryFunctions,
    targets: Sequence[Target],
    settings: PosteriorSettings,
    n_threads: int | None,
    progress: Progress,
) -> list[SparseBasis]:
    """Return bases of all lengths, about atoms of targets and of some training frames."""
    asked = list({id(f): f for target in targets for f in target.frames}.values())
    return make_bases(
        functions,
        training,
        _atoms_of(asked, functions, n_threads, progress),
        n_centers=settings.n_centers,
        lengths=settings.lengths,
        spectrum=settings.spectrum,
        seed=settings.seed,
    )


def _choose(
    bases: Sequence[SparseBasis],
    sample: Sequence[Frame],
    zeros: np.ndarray,
    kinds: tuple[str, ...],
    settings: PosteriorSettings,
    progress: Progress,
) -> tuple[SparseBasis, Hyperparameters]:
    """Return the basis whose length the evidence prefers, with signal and noises."""
    best: tuple[SparseBasis, Hyperparameters] | None = None
    most = -np.inf
    for length, basis, part in zip(settings.lengths, bases, progress.split(len(bases)), strict=True):
        part.report(0.0, f"length {length:g}")
        moments = summed(basis, sample, zeros, kinds, 1, part)
        hyper, evidence = best_hyperparameters(moments, first_guess(length, moments), settings)
        if evidence > most:
            best, most = (basis, hyper), evidence
    assert best is not None
    return best


def _energy_rows(
    basis: SparseBasis, frames: Sequence[Frame], zeros: np.ndarray, n_threads: int | None
) -> EnergyRows:
    """Return rows and targets of the energies of some frames."""
    some = spread_frames(frames, _MOST_FRAMES_FOR_ENERGIES, 10**5)
    chosen = [f for f in some if f.energy is not None and f.label_weights[0] > 0]
    rows, targets = np.zeros((len(chosen), basis.size)), np.zeros(len(chosen))
    for part in batches(chosen):
        own = [chosen[k] for k in part]
        d = compute_descriptors(own, basis.functions, derivatives=False, n_threads=n_threads)
        features = basis.features(d.values, d.species)
        for k, frame, first, end in zip(part, own, d.frame_start, d.frame_start[1:], strict=False):
            rows[k] = features[first:end].mean(0)
            energy = 0.0 if frame.energy is None else frame.energy
            targets[k] = energy / frame.n_atoms - zeros[d.species[first:end]].mean()
    numbers = [frame.numbers.tobytes() for frame in chosen]
    systems = np.unique(numbers, return_inverse=True)[1] if numbers else np.zeros(0, dtype=np.int64)
    return EnergyRows(rows, targets, systems, np.array([frame.label_weights[0] for frame in chosen]))
