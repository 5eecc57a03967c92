"""The whole mapping analysis in one go, for the window, the command line and notebooks alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from nnpcore.errors import AnalysisError
from nnpcore.mapping.connectivity import ConnectivityResult, connectivity
from nnpcore.mapping.distance import Bracket, Reach, bracket_from_distances, nearest_distances, reach_of
from nnpcore.mapping.eos import EosCurve, EosReport, analyse_eos, eos_curve, reference_fit
from nnpcore.mapping.invariant import InvariantPoints, invariant_points
from nnpcore.mapping.pca import PcaResult, pca_of
from nnpcore.mapping.verdict import Verdict, verdict
from nnpcore.progress import Progress

if TYPE_CHECKING:
    from nnpcore.descriptors import SymmetryFunctions, Whitening
    from nnpcore.potential import Potential
    from nnpcore.structures.frame import Frame
    from nnpcore.training import TrainingValues

TRAINING, VALIDATION, EOS = "training", "validation", "EOS"
"""Names of the groups every study has."""


@dataclass(frozen=True, eq=False)
class StudyData:
    """What a study knows before any network is asked: it stays the same while a run trains.

    Attributes
    ----------
    points : the invariant points.
    distances : (n_points,) from each to the nearest training atom of its element (whitened units).
    reach : the distances that are usual, and the threshold.
    pca : principal components of the training atoms of that element.
    scores : name of a group -> (n, n_components) scores; "EOS" is the path of the invariant points by volume.
    connectivity : of the same groups, or None and ``connectivity_message`` says why.
    """

    points: InvariantPoints
    distances: np.ndarray
    reach: Reach
    pca: PcaResult
    scores: dict[str, np.ndarray]
    connectivity: ConnectivityResult | None
    connectivity_message: str = ""


@dataclass(frozen=True, eq=False)
class MappingStudy:
    """Everything the mapping analysis says about one potential."""

    data: StudyData
    curve: EosCurve
    bracket: Bracket
    report: EosReport
    verdict: Verdict

    @property
    def element(self) -> str:
        """Element of the invariant points, whose atoms were analysed."""
        return self.curve.element


def study(
    potential: Potential,
    values: TrainingValues,
    eos_frames: Sequence[Frame],
    *,
    rmse_energy_mev: float | None = None,
    groups: Mapping[str, np.ndarray] | None = None,
    n_threads: int | None = None,
    progress: Progress | None = None,
) -> MappingStudy:
    """Compute EOS, bracket, PCA, connectivity and verdict.

    Parameters
    ----------
    potential : the ensemble.
    values : symmetry functions of its training and validation atoms, of ``RunFolder.training_values()``.
    eos_frames : crystals of one element along their volume.
    rmse_energy_mev : energy RMSE of the ensemble mean on the validation frames, meV/atom, for the verdict.
    groups : further groups of atoms of the crystal's element for PCA and connectivity: name -> symmetry
        functions (n, n_descriptors).

    Raises
    ------
    AnalysisError
        When the EOS frames are no invariant points, or the training set lacks their element.
    """
    data = prepare_study(
        potential.functions,
        potential.whitening,
        values,
        eos_frames,
        groups=groups,
        n_threads=n_threads,
        progress=progress,
    )
    return evaluate_study(potential, data, rmse_energy_mev)


def prepare_study(
    functions: SymmetryFunctions,
    whitening: Whitening,
    values: TrainingValues,
    eos_frames: Sequence[Frame],
    *,
    groups: Mapping[str, np.ndarray] | None = None,
    n_threads: int | None = None,
    progress: Progress | None = None,
) -> StudyData:
    """Do the part that does not depend on the networks; arguments and errors as for :func:`study`."""
    progress = progress or Progress()
    progress.report(0.0, "Invariant points")
    points = invariant_points(eos_frames, functions, n_threads=n_threads, progress=_quiet(progress))
    species = functions.elements.index(points.element)
    training = (values.species == species) & values.is_training
    validation = (values.species == species) & ~values.is_training
    if not training.any():
        raise AnalysisError(
            f"the training set has no {points.element}, the element of the EOS frames",
            fix=f"Train on structures that contain {points.element}",
        )
    raw = {TRAINING: values.values[training], VALIDATION: values.values[validation]}
    raw = {name: v for name, v in {**raw, **(groups or {})}.items() if len(v)}
    raw[EOS] = points.values
    x = {name: whitening.transform(v, np.full(len(v), species)) for name, v in raw.items()}
    progress.report(0.2, "Distance to the training set")
    points_x = points.mean_of(x[EOS].T).T
    distances = nearest_distances(points_x, x[TRAINING])
    reach = reach_of(x[TRAINING], x.get(VALIDATION), values.frame[training], progress=_quiet(progress))
    progress.report(0.5, "Principal components")
    pca = pca_of(raw[TRAINING])
    scores = {name: pca.transform(v) for name, v in raw.items() if name != EOS}
    scores[EOS] = pca.transform(points.mean_of(points.values.T).T)
    x[EOS] = points_x
    progress.report(0.6, "Connectivity")
    found, message = _connectivity(x, progress)
    progress.report(1.0, "Mapping analysed")
    return StudyData(points, distances, reach, pca, scores, found, message)


def evaluate_study(
    potential: Potential, data: StudyData, rmse_energy_mev: float | None = None
) -> MappingStudy:
    """Ask the networks: fast enough to follow a training epoch by epoch."""
    curve = eos_curve(potential, data.points)
    found = study_bracket(data, curve)
    report = analyse_eos(curve, found)
    return MappingStudy(data, curve, found, report, verdict(rmse_energy_mev, report, found))


def study_bracket(data: StudyData, curve: EosCurve) -> Bracket:
    """Return the bracket around the reference's V0, or the ensemble's lowest point where there is none."""
    fit, _ = reference_fit(data.points)
    v0 = fit.v0 if fit else float(curve.volumes[int(curve.mean.argmin())])
    return bracket_from_distances(curve.volumes, data.distances, v0, data.reach.threshold)


def _connectivity(x: Mapping[str, np.ndarray], progress: Progress) -> tuple[ConnectivityResult | None, str]:
    try:
        return connectivity(x, progress=_quiet(progress)), ""
    except AnalysisError as error:
        return None, str(error)


def _quiet(progress: Progress) -> Progress:
    """A progress cancelled with ``progress`` that does not report: its fractions are of a part only."""
    return _Part(progress)


class _Part(Progress):
    def __init__(self, whole: Progress) -> None:
        super().__init__()
        self._whole = whole

    def check(self) -> None:
        self._whole.check()
