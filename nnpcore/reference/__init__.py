"""Data without a DFT code: reference potentials with exactly known atomic energies, samplers and builders."""

from nnpcore.reference.calculators import (
    REFERENCES,
    CleriRosato,
    ReferenceCalculator,
    ReferenceInfo,
    StillingerWeber,
    reference_calculator,
)
from nnpcore.reference.crystals import (
    LATTICES,
    crystal,
    crystal_scan,
    equilibrium_lattice,
    lattice_constant,
)
from nnpcore.reference.labels import label
from nnpcore.reference.sampling import SamplerSettings, sample
from nnpcore.reference.spline import PiecewiseCubic, SumData, island_sums, random_sums

__all__ = [
    "LATTICES",
    "REFERENCES",
    "CleriRosato",
    "PiecewiseCubic",
    "ReferenceCalculator",
    "ReferenceInfo",
    "SamplerSettings",
    "StillingerWeber",
    "SumData",
    "crystal",
    "crystal_scan",
    "equilibrium_lattice",
    "island_sums",
    "label",
    "lattice_constant",
    "random_sums",
    "reference_calculator",
    "sample",
]
