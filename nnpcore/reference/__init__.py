"""Data without a DFT code: reference potentials with exactly known atomic energies, samplers and builders."""

from nnpcore.reference.calculators import (
    REFERENCES,
    CleriRosato,
    ReferenceCalculator,
    ReferenceInfo,
    StillingerWeber,
    reference_calculator,
)
from nnpcore.reference.labels import REFERENCE_ENERGIES, label
from nnpcore.reference.sampling import SamplerSettings, sample

__all__ = [
    "REFERENCES",
    "REFERENCE_ENERGIES",
    "CleriRosato",
    "ReferenceCalculator",
    "ReferenceInfo",
    "SamplerSettings",
    "StillingerWeber",
    "label",
    "reference_calculator",
    "sample",
]
