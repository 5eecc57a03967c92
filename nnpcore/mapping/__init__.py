"""Mapping: invariant points, EOS, distance, bracket, PCA, connectivity, verdict. Arrays in, records out."""

from nnpcore.mapping.connectivity import ConnectivityResult, Link, connectivity
from nnpcore.mapping.distance import (
    Bracket,
    Reach,
    bracket,
    bracket_from_distances,
    nearest_distances,
    reach_of,
)
from nnpcore.mapping.eos import (
    EosCurve,
    EosFit,
    EosReport,
    analyse_eos,
    eos_curve,
    fit_eos,
    reference_fit,
)
from nnpcore.mapping.invariant import InvariantPoints, invariant_points
from nnpcore.mapping.pca import PcaResult, pca_of
from nnpcore.mapping.sampling import subsample
from nnpcore.mapping.study import MappingStudy, StudyData, evaluate_study, prepare_study, study
from nnpcore.mapping.verdict import Verdict, verdict

__all__ = [
    "Bracket",
    "ConnectivityResult",
    "EosCurve",
    "EosFit",
    "EosReport",
    "InvariantPoints",
    "Link",
    "MappingStudy",
    "PcaResult",
    "Reach",
    "StudyData",
    "Verdict",
    "analyse_eos",
    "bracket",
    "bracket_from_distances",
    "connectivity",
    "eos_curve",
    "evaluate_study",
    "fit_eos",
    "invariant_points",
    "nearest_distances",
    "pca_of",
    "prepare_study",
    "reach_of",
    "reference_fit",
    "study",
    "subsample",
    "verdict",
]
