"""Mapping: invariant points, EOS, regions, distance, PCA, connectivity, rigidity, verdict.

Arrays in, records out.
"""

from nnpcore.mapping.connectivity import ConnectivityResult, connectivity, islands
from nnpcore.mapping.correlation import check_series, rank_correlation
from nnpcore.mapping.curvature import Curvature
from nnpcore.mapping.distance import Bracket, Reach, bracket_from_distances, nearest_distances, reach_of
from nnpcore.mapping.eos import EosCurve, EosReport, analyse_eos, eos_curve
from nnpcore.mapping.eos_fit import EosFit, fit_eos, fit_near_minimum
from nnpcore.mapping.invariant import InvariantCheck, InvariantPoints, check_invariant, invariant_points
from nnpcore.mapping.model_energies import AtomicEnergyModel, atomic_energies
from nnpcore.mapping.nearest import subsample
from nnpcore.mapping.pca import PcaResult, pca_of
from nnpcore.mapping.region_choice import depth_regions, distance_regions
from nnpcore.mapping.region_errors import RegionError, region_errors
from nnpcore.mapping.region_references import with_references
from nnpcore.mapping.regions import Region, RegionSet, indices_region, read_regions, write_regions
from nnpcore.mapping.rigidity import LocalRigidity, mean_of_members
from nnpcore.mapping.rigidity_study import LOSSES, RigidityStudy, rigidity_study
from nnpcore.mapping.surface import surface_energy, surface_energy_by_data, surface_energy_of
from nnpcore.mapping.verdict import Verdict, verdict

__all__ = [
    "LOSSES",
    "AtomicEnergyModel",
    "Bracket",
    "ConnectivityResult",
    "Curvature",
    "EosCurve",
    "EosFit",
    "EosReport",
    "InvariantCheck",
    "InvariantPoints",
    "LocalRigidity",
    "PcaResult",
    "Reach",
    "Region",
    "RegionError",
    "RegionSet",
    "RigidityStudy",
    "Verdict",
    "analyse_eos",
    "atomic_energies",
    "bracket_from_distances",
    "check_invariant",
    "check_series",
    "connectivity",
    "depth_regions",
    "distance_regions",
    "eos_curve",
    "fit_eos",
    "fit_near_minimum",
    "indices_region",
    "invariant_points",
    "islands",
    "mean_of_members",
    "nearest_distances",
    "pca_of",
    "rank_correlation",
    "reach_of",
    "read_regions",
    "region_errors",
    "rigidity_study",
    "subsample",
    "surface_energy",
    "surface_energy_by_data",
    "surface_energy_of",
    "verdict",
    "with_references",
    "write_regions",
]
