"""The posterior: what training data say about atomic energies, and what they leave open."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from nnpcore.cluster import Executor
from nnpcore.descriptors import DescriptorSet, SymmetryFunctions, compute_descriptors
from nnpcore.errors import DataError
from nnpcore.posterior import storage
from nnpcore.posterior.asking import Asked, asked, beyond_of_atoms
from nnpcore.posterior.basis import FrameRows, SparseBasis
from nnpcore.posterior.evidence import Hyperparameters, Solution
from nnpcore.posterior.factors import solve_triangular
from nnpcore.posterior.fitting import Fitted, fit, with_stresses
from nnpcore.posterior.moments import ENERGY, FORCES, KINDS, STRESS, Moments, added
from nnpcore.posterior.prediction import Predicted, predictions
from nnpcore.posterior.settings import PosteriorSettings
from nnpcore.posterior.streaming import each_rows, summed
from nnpcore.posterior.targets import Target, mean_targets
from nnpcore.progress import Progress
from nnpcore.structures.frame import Frame
from nnpcore.threads import one_blas_thread


@dataclass(frozen=True, eq=False)
class Posterior:
    """A sparse Gaussian process over atomic energies, conditioned on energies, forces and stresses.

    It is never changed: what adds to it returns another. ``m`` is the number of coefficients.

    Attributes
    ----------
    basis : the functions.
    hyper : signal, noises, length, tempering.
    zeros : (n_elements,) energy of an atom of each element that everything counts from, eV.
    kinds : kinds of labels that count, of those the frames have.
    moments : sums over the training frames, by kind.
    scatter : (m, m), what a prior of the size of atomic energies adds to the precision; zero without one.
    solution : precision matrix (m, m) and mean of the coefficients.
    misfit : what the best of the functions gets wrong of a structure's energy per atom, eV, see
        :mod:`nnpcore.posterior.misfit`. Spreads and covariances here are those of the function, without it.
    n_frames : training frames that went into it.
    """

    basis: SparseBasis
    hyper: Hyperparameters
    zeros: np.ndarray
    kinds: tuple[str, ...]
    moments: Mapping[str, Moments]
    scatter: np.ndarray
    solution: Solution
    misfit: float
    n_frames: int

    @classmethod
    def fit(
        cls,
        frames: Sequence[Frame],
        functions: SymmetryFunctions,
        *,
        targets: Sequence[Target] = (),
        kinds: Sequence[str] = KINDS,
        settings: PosteriorSettings | None = None,
        n_threads: int | None = None,
        progress: Progress | None = None,
        executor: Executor | None = None,
    ) -> Posterior:
        """Learn from labelled frames; they are streamed, so that memory does not grow with their number.

        Parameters
        ----------
        frames : training frames; a label that is not there is left out.
        functions : the symmetry functions.
        targets : what it will be asked about. Their atoms are among the centers of the functions: of an atom
            that is far from all centers the posterior would know too little to be doubtful. Labels are not
            needed.
        kinds : of labels to learn from: "energy", "forces", "stress".
        settings, n_threads : None for the usual ones; all physical cores.
        progress : told how much is done; cancels.
        executor : who goes over the frames; this process by default.

        Raises
        ------
        DataError : no frames, or none with a label to learn from. PotentialError : an element without
            functions.
        """
        found = fit(
            frames,
            functions,
            targets=targets,
            kinds=tuple(kinds),
            settings=settings or PosteriorSettings(),
            n_threads=n_threads,
            progress=progress or Progress(),
            executor=executor,
        )
        return cls(**vars(found), kinds=tuple(found.moments))

    def save(self, path: str | Path) -> None:
        """Write it into one file, whole or not at all; RunFolderError where that is impossible."""
        parts = {name: value for name, value in vars(self).items() if name != "kinds"}
        storage.save(Fitted(**parts), self.kinds, path)

    @classmethod
    def load(cls, path: str | Path) -> Posterior:
        """Read a file that :meth:`save` has written; nothing in it is executed.

        DataError where it is missing, damaged, of another kind or of a newer Eatlas.
        """
        found, kinds = storage.load(path)
        return cls(**vars(found), kinds=kinds)

    # atoms and structures -------------------------------------------------------------------------------
    @property
    def functions(self) -> SymmetryFunctions:
        """The symmetry functions."""
        return self.basis.functions

    @property
    def size(self) -> int:
        """Number of coefficients, m."""
        return self.basis.size

    def atomic_energies(
        self, frames: Sequence[Frame], *, n_threads: int | None = None, progress: Progress | None = None
    ) -> np.ndarray:
        """Return the mean atomic energies of all atoms of all frames, (n_atoms,), eV."""
        d = self._descriptors(frames, n_threads, progress)
        return self.energies_of(d.values, d.species)

    def atomic_spreads(
        self, frames: Sequence[Frame], *, n_threads: int | None = None, progress: Progress | None = None
    ) -> np.ndarray:
        """Return the standard deviations of all atomic energies, (n_atoms,), eV."""
        d = self._descriptors(frames, n_threads, progress)
        return self.spreads_of(d.values, d.species)

    @one_blas_thread()
    def energies_of(self, values: np.ndarray, species: np.ndarray) -> np.ndarray:
        """As :meth:`atomic_energies`, for symmetry functions (n_atoms, n_descriptors) at hand."""
        return self.basis.features(values, species) @ self.solution.coefficients + self.zeros[species]

    @one_blas_thread()
    def spreads_of(self, values: np.ndarray, species: np.ndarray) -> np.ndarray:
        """As :meth:`atomic_spreads`, for symmetry functions (n_atoms, n_descriptors) at hand."""
        features = self.basis.features(values, species)
        beyond = self.hyper.signal**2 * beyond_of_atoms(self.basis, features)
        return np.sqrt(self.spread_of_features(features) ** 2 + beyond)

    @one_blas_thread()
    def predict(
        self, frames: Sequence[Frame], *, n_threads: int | None = None, progress: Progress | None = None
    ) -> list[Predicted]:
        """Return energies, forces and stresses of structures by the posterior's mean."""
        return predictions(self.basis, self.solution.coefficients, self.zeros, frames, n_threads, progress)

    @one_blas_thread()
    def label_spreads(
        self, frames: Sequence[Frame], *, n_threads: int | None = None, progress: Progress | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the foretold spreads of structures' energies and atoms' forces; no labels are looked at.

        Returns
        -------
        energies : (n_frames,) eV/atom.
        forces : (n_atoms, 3) eV/Å; of what the functions can express.
        """
        progress = progress or Progress()
        asked = self.spread(mean_targets(frames), n_threads=n_threads, progress=progress.part(0.0, 0.3))
        rows = each_rows(self.basis, frames, n_threads, progress.part(0.3, 1.0))
        parts = [self.spread_of_features(row.forces).reshape(-1, 3) for row in rows]
        return asked, np.concatenate([np.empty((0, 3)), *parts])

    # targets --------------------------------------------------------------------------------------------
    def features(
        self, targets: Sequence[Target], *, n_threads: int | None = None, progress: Progress | None = None
    ) -> np.ndarray:
        """Return the derivatives (n_targets, m) of targets by the coefficients; no labels are looked at."""
        return self._asked(targets, n_threads, progress).features

    def mean(
        self, targets: Sequence[Target], *, n_threads: int | None = None, progress: Progress | None = None
    ) -> np.ndarray:
        """Return what the data say targets are, (n_targets,), eV."""
        return self.mean_and_covariance(targets, n_threads=n_threads, progress=progress)[0]

    def covariance(
        self, targets: Sequence[Target], *, n_threads: int | None = None, progress: Progress | None = None
    ) -> np.ndarray:
        """Return the joint covariance (n_targets, n_targets) of targets, eV²."""
        return self.mean_and_covariance(targets, n_threads=n_threads, progress=progress)[1]

    def spread(
        self, targets: Sequence[Target], *, n_threads: int | None = None, progress: Progress | None = None
    ) -> np.ndarray:
        """Return the foretold spread (standard deviation) of targets, (n_targets,), eV."""
        return np.sqrt(self.covariance(targets, n_threads=n_threads, progress=progress).diagonal())

    @one_blas_thread()
    def mean_and_covariance(
        self, targets: Sequence[Target], *, n_threads: int | None = None, progress: Progress | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return :meth:`mean` and :meth:`covariance` of targets, their symmetry functions computed once."""
        found = self._asked(targets, n_threads, progress)
        half = self._whitened(found.features)
        mean = found.features @ self.solution.coefficients + found.zeros
        return mean, half.T @ half + self.hyper.signal**2 * found.beyond

    def spread_of_features(self, features: np.ndarray) -> np.ndarray:
        """Return the standard deviation (n,), eV, of linear functions of the coefficients, (n, m)."""
        return np.sqrt((self._whitened(features) ** 2).sum(0))

    def _whitened(self, features: np.ndarray) -> np.ndarray:
        """Return R^-T features^T (m, n), for the precision R^T R."""
        return solve_triangular(self.solution.factor, features.T, trans=1)

    def _asked(self, targets: Sequence[Target], n_threads: int | None, progress: Progress | None) -> Asked:
        return asked(self.basis, self.zeros, targets, n_threads, progress)

    # more data ------------------------------------------------------------------------------------------
    def information(
        self,
        frames: Sequence[Frame],
        *,
        kinds: Sequence[str] | None = None,
        n_threads: int | None = None,
        progress: Progress | None = None,
    ) -> list[np.ndarray]:
        """Return what labels of each frame would add to the precision, (m, m) a frame; none are needed.

        ``kinds`` : of labels that it would get; None for those that count in this posterior.
        """
        chosen = self._kinds(kinds)
        rows = each_rows(self.basis, frames, n_threads, progress)
        return [self._information(row, chosen) for row in rows]

    def _kinds(self, kinds: Sequence[str] | None) -> tuple[str, ...]:
        known = self.hyper.noise
        return tuple(k for k in (self.kinds if kinds is None else kinds) if k in known)

    def _information(self, row: FrameRows, kinds: tuple[str, ...]) -> np.ndarray:
        parts = {ENERGY: row.energy[None], FORCES: row.forces, STRESS: row.stress}
        found = np.zeros((self.size, self.size))
        for kind in kinds:
            rows = parts[kind]
            if rows is not None:
                found += self.hyper.weight(kind) * rows.T @ rows
        return found

    @one_blas_thread()
    def with_information(self, information: np.ndarray) -> Posterior:
        """Return the posterior as it would be with this (m, m) added to its precision; its mean stays.

        For spreads only: labels of frames that are really computed are added by :meth:`with_frames`.
        """
        right = (
            self.solution.precision @ self.solution.coefficients + information @ self.solution.coefficients
        )
        return replace(self, solution=Solution.solved(self.solution.precision + information, right))

    @one_blas_thread()
    def with_frames(
        self, frames: Sequence[Frame], *, n_threads: int | None = None, progress: Progress | None = None
    ) -> Posterior:
        """Return the posterior of the training frames and these labelled ones, with the same hyperparameters.

        Raises DataError where a kind of label is among them that the training frames did not have.
        """
        more = summed(self.basis, frames, self.zeros, self.kinds, n_threads, progress)
        unknown = [kind for kind in more if kind not in self.hyper.noise]
        if unknown:
            what = f"the training frames had no {' and no '.join(unknown)}, these have"
            raise DataError(what, fix="Fit a posterior to all frames")
        moments = added(self.moments, more)
        solution = Solution.of(moments, self.hyper, self.scatter)
        return replace(self, moments=moments, solution=solution, n_frames=self.n_frames + len(frames))

    def with_stresses(
        self,
        frames: Sequence[Frame],
        rows: Sequence[np.ndarray | None],
        *,
        settings: PosteriorSettings | None = None,
        n_threads: int | None = None,
    ) -> Posterior:
        """Return a posterior that has learned the stresses of its frames, too.

        Parameters
        ----------
        frames : those it was fitted to, for energies and forces alone. rows : of their stresses, as
            ``FrameRows.stress`` has them.
        settings : the bounds of the hyperparameters, which are found anew on the same basis.
        """
        parts = {name: value for name, value in vars(self).items() if name != "kinds"}
        found = with_stresses(Fitted(**parts), frames, rows, settings or PosteriorSettings(), n_threads)
        return Posterior(**vars(found), kinds=tuple(found.moments))

    # inside ---------------------------------------------------------------------------------------------
    def _descriptors(
        self, frames: Sequence[Frame], n_threads: int | None, progress: Progress | None
    ) -> DescriptorSet:
        return compute_descriptors(
            frames, self.functions, derivatives=False, n_threads=n_threads, progress=progress
        )
