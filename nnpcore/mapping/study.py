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
from nnpcore.mapping.model import AtomicEnergyModel, is_potential
from nnpcore.mapping.pca import PcaResult, pca_of
from nnpcore.mapping.region_errors import RegionError, region_errors
from nnpcore.mapping.regions import RegionSet
from nnpcore.mapping.verdict import Verdict, verdict
from nnpcore.progress import Progress, Quiet

if TYPE_CHECKING:
    from nnpcore.descriptors import SymmetryFunctions, Whitening
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
    regions: tuple[RegionError, ...] = ()

    @property
    def element(self) -> str:
        """Element of the invariant points, whose atoms were analysed."""
        return self.curve.element


def study(
    model: AtomicEnergyModel,
    values: TrainingValues,
    eos_frames: Sequence[Frame],
    *,
    functions: SymmetryFunctions | None = None,
    whitening: Whitening | None = None,
    rmse_energy_mev: float | None = None,
    groups: Mapping[str, np.ndarray] | None = None,
    region_sets: Sequence[RegionSet] = (),
    n_threads: int | None = None,
    progress: Progress | None = None,
) -> MappingStudy:
    """Compute EOS, bracket, PCA, connectivity and verdict.

    Parameters
    ----------
    model : the ensemble, or any other model of atomic energies.
    values : symmetry functions of its training and validation atoms, of ``RunFolder.training_values()``.
    eos_frames : crystals of one element along their volume.
    functions, whitening : those of ``values``, and the metric of distance and connectivity; None takes the
        ensemble's own. For a model that has none, the whitening is learned from the training atoms.
    rmse_energy_mev : energy RMSE of the ensemble mean on the validation frames, meV/atom, for the verdict.
    groups : further groups of atoms of the crystal's element for PCA and connectivity: name -> symmetry
        functions (n, n_descriptors).
    region_sets : structures whose regions have reference values; they count in the verdict.

    Raises
    ------
    AnalysisError
        When the EOS frames are no invariant points, or the training set lacks their element, or a model
        without symmetry functions is given none.
    """
    functions, whitening = _metric(model, values, functions, whitening)
    data = prepare_study(
        functions,
        whitening,
        values,
        eos_frames,
        groups=groups,
        n_threads=n_threads,
        progress=progress,
    )
    return evaluate_study(
        model, data, rmse_energy_mev, region_sets=region_sets, n_threads=n_threads, progress=progress
    )


def _metric(
    model: AtomicEnergyModel,
    values: TrainingValues,
    functions: SymmetryFunctions | None,
    whitening: Whitening | None,
) -> tuple[SymmetryFunctions, Whitening]:
    """Return the symmetry functions of the training atoms, and the whitening that measures distances."""
    from nnpcore.descriptors import Whitening

    if is_potential(model) and functions in (None, model.functions):
        return model.functions, whitening or model.metric
    if functions is None:
        raise AnalysisError(
            f"{model.name} has no symmetry functions, so nothing tells how near its training atoms are",
            fix="Say which symmetry functions the training atoms were described by",
        )
    if whitening is None:
        chosen = values.is_training
        whitening = Whitening.fit(values.values[chosen], values.species[chosen], functions)
    return functions, whitening


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
    points = invariant_points(eos_frames, functions, n_threads=n_threads, progress=Quiet(progress))
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
    reach = reach_of(x[TRAINING], x.get(VALIDATION), values.frame[training], progress=Quiet(progress))
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
    model: AtomicEnergyModel,
    data: StudyData,
    rmse_energy_mev: float | None = None,
    *,
    region_sets: Sequence[RegionSet] = (),
    n_threads: int | None = None,
    progress: Progress | None = None,
) -> MappingStudy:
    """Ask the model: with networks fast enough to follow a training epoch by epoch."""
    curve = eos_curve(model, data.points, n_threads=n_threads, progress=progress and Quiet(progress))
    found = study_bracket(data, curve)
    report = analyse_eos(curve, found)
    regions = tuple(e for s in region_sets for e in region_errors(model, s, n_threads=n_threads))
    judged = verdict(rmse_energy_mev, report, found, regions)
    return MappingStudy(data, curve, found, report, judged, regions)


def study_bracket(data: StudyData, curve: EosCurve) -> Bracket:
    """Return the bracket around the reference's V0, or the ensemble's lowest point where there is none."""
    fit, _ = reference_fit(data.points)
    v0 = fit.v0 if fit else float(curve.volumes[int(curve.mean.argmin())])
    return bracket_from_distances(curve.volumes, data.distances, v0, data.reach.threshold)


def _connectivity(x: Mapping[str, np.ndarray], progress: Progress) -> tuple[ConnectivityResult | None, str]:
    try:
        return connectivity(x, progress=Quiet(progress)), ""
    except AnalysisError as error:
        return None, str(error)
