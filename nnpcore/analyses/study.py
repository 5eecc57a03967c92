"""The analyses of one potential and a crystal in one call, for command line, notebooks and studies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from nnpcore.analyses.connectivity import CONNECTIVITY
from nnpcore.analyses.crystal import POINTS
from nnpcore.analyses.distance import DISTANCE, REACH
from nnpcore.analyses.eos import EOS
from nnpcore.analyses.foretold import FORETOLD, LEARNED_FROM
from nnpcore.analyses.graph import Evaluation, Missing, found, required
from nnpcore.analyses.inputs import (
    CRYSTAL,
    CRYSTAL_GROUP,
    ENERGY_RMSE,
    EOS_ROLE,
    FUNCTIONS,
    FURTHER_ATOMS,
    METRIC,
    POTENTIAL,
    REGION_SETS,
    TRAINING_FRAMES,
    TRAINING_VALUES,
    FrameGroup,
)
from nnpcore.analyses.pca import PCA
from nnpcore.analyses.regions import REGION_ERRORS
from nnpcore.analyses.verdict import VERDICT
from nnpcore.errors import AnalysisError
from nnpcore.mapping.model_energies import AtomicEnergyModel, is_potential
from nnpcore.mapping.regions import RegionSet
from nnpcore.progress import Progress

if TYPE_CHECKING:
    from nnpcore.descriptors import SymmetryFunctions, Whitening
    from nnpcore.mapping import (
        Bracket,
        ConnectivityResult,
        EosCurve,
        EosReport,
        InvariantPoints,
        PcaResult,
        Reach,
        RegionError,
        Verdict,
    )
    from nnpcore.structures.frame import Frame
    from nnpcore.training import TrainingValues

STEPS = (POINTS, DISTANCE, PCA, CONNECTIVITY, REGION_ERRORS, FORETOLD, VERDICT)
"""What a study evaluates, in this order."""


@dataclass(frozen=True, eq=False)
class MappingStudy:
    """Everything the mapping analysis says about one potential.

    Attributes
    ----------
    points : the invariant points.
    curve, report : their energies, and the comparison with the reference.
    bracket : their distances to the training set (whitened units), and the volumes in its reach.
    reach : the distances that are usual, and the threshold.
    pca : principal components of the training atoms of their element.
    scores : name of a group -> (n, n_components) scores; "EOS" is the path of the invariant points by volume.
    connectivity : of the same groups, or None and ``connectivity_message`` says why.
    regions : errors of the regions. verdict : on all of it.
    evaluation : what it was read from.
    """

    points: InvariantPoints
    curve: EosCurve
    report: EosReport
    bracket: Bracket
    reach: Reach
    pca: PcaResult
    scores: dict[str, np.ndarray]
    connectivity: ConnectivityResult | None
    connectivity_message: str
    regions: tuple[RegionError, ...]
    verdict: Verdict
    evaluation: Evaluation

    @property
    def element(self) -> str:
        """Element of the invariant points, whose atoms were analysed."""
        return self.curve.element

    def of(self, model: AtomicEnergyModel, rmse_energy_mev: float | None = None) -> MappingStudy:
        """Return the same for another potential on the same training atoms: only its networks are asked."""
        evaluation = self.evaluation.copy()
        evaluation.set(POTENTIAL, model)
        evaluation.set(ENERGY_RMSE, rmse_energy_mev)
        return _study_of(evaluation)


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
    training_frames: Sequence[Frame] = (),
    kinds: Sequence[str] = (),
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
        ensemble's own. A model that has none gets the whitening learned from the training atoms.
    rmse_energy_mev : energy RMSE of the ensemble mean on the validation frames, meV/atom, for the verdict.
    groups : further atoms of the crystal's element for PCA and connectivity, name -> (n, n_descriptors).
    region_sets : structures whose regions have reference values; they count in the verdict.
    training_frames, kinds : frames and kinds of labels that were learned from. With them the verdict weighs
        errors against what these data determine, which takes some seconds more.

    Raises
    ------
    AnalysisError : the EOS frames are no invariant points, the training set lacks their element, or a model
        without symmetry functions is given none.
    """
    evaluation = evaluation_of(
        model,
        values,
        functions=functions,
        whitening=_whitening_of(model, values, functions, whitening),
        rmse_energy_mev=rmse_energy_mev,
        eos_frames=eos_frames,
        region_sets=region_sets,
    )
    evaluation.set(FURTHER_ATOMS, dict(groups) if groups else None)
    evaluation.set(TRAINING_FRAMES, tuple(training_frames) or None)
    evaluation.set(LEARNED_FROM, tuple(kinds) or None)
    return _study_of(evaluation, n_threads=n_threads, progress=progress)


def _whitening_of(
    model: AtomicEnergyModel,
    values: TrainingValues,
    functions: SymmetryFunctions | None,
    whitening: Whitening | None,
) -> Whitening | None:
    """Return the whitening given, or one learned from the training atoms where the model has none for them.

    AnalysisError where nothing says by which functions they were described.
    """
    if functions is None and not is_potential(model):
        raise AnalysisError(
            f"{model.name} has no symmetry functions, so nothing tells how near its training atoms are",
            fix="Say which symmetry functions the training atoms were described by",
        )
    own = model.functions if is_potential(model) else None
    if functions is None or whitening is not None or functions == own:
        return whitening
    return values.whitening(functions)


def evaluation_of(
    model: AtomicEnergyModel | None,
    values: TrainingValues | None = None,
    *,
    functions: SymmetryFunctions | None = None,
    whitening: Whitening | None = None,
    rmse_energy_mev: float | None = None,
    eos_frames: Sequence[Frame] = (),
    region_sets: Sequence[RegionSet] = (),
) -> Evaluation:
    """Return an evaluation with its inputs set; arguments as for :func:`study`, nothing is computed yet."""
    own = (model.functions, model.metric) if model is not None and is_potential(model) else (None, None)
    evaluation = Evaluation()
    evaluation.set(POTENTIAL, model)
    evaluation.set(ENERGY_RMSE, rmse_energy_mev)
    evaluation.set(TRAINING_VALUES, values)
    evaluation.set(FUNCTIONS, functions or own[0])
    evaluation.set(METRIC, whitening or own[1])
    if eos_frames:
        evaluation.set(CRYSTAL, FrameGroup(CRYSTAL_GROUP, CRYSTAL_GROUP, EOS_ROLE, tuple(eos_frames)))
    evaluation.set(REGION_SETS, {str(k): regions for k, regions in enumerate(region_sets)} or None)
    return evaluation


def _study_of(
    evaluation: Evaluation, *, n_threads: int | None = None, progress: Progress | None = None
) -> MappingStudy:
    """Evaluate what a study has; AnalysisError where the crystal or the training atoms do not allow it."""
    whole = progress or Progress()
    for k, step in enumerate(STEPS):
        part = whole.part(k / len(STEPS), (k + 1) / len(STEPS))
        evaluation.value(step, n_threads=n_threads, progress=part)
    whole.report(1.0, "Mapping analysed")
    eos, distances = required(evaluation.value(EOS)), required(evaluation.value(DISTANCE))
    pca = required(evaluation.value(PCA))
    links, regions = evaluation.value(CONNECTIVITY), found(evaluation.value(REGION_ERRORS))
    for missing in () if regions is None else regions.missing.values():
        raise missing.as_error()
    return MappingStudy(
        points=distances.points,
        curve=eos.curve,
        report=eos.report,
        bracket=distances.bracket,
        reach=required(required(evaluation.value(REACH)).of(distances.points.element)),
        pca=pca.result,
        scores=pca.by_name,
        connectivity=None if isinstance(links, Missing) else links.result,
        connectivity_message=str(links) if isinstance(links, Missing) else "",
        regions=() if regions is None else regions.all,
        verdict=required(evaluation.value(VERDICT)),
        evaluation=evaluation,
    )
