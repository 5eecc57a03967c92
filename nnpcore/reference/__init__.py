"""Data without a DFT code: reference potentials with exactly known atomic energies, samplers and builders."""

from nnpcore.reference.calculators import (
    REFERENCES,
    CleriRosato,
    ReferenceCalculator,
    ReferenceInfo,
    StillingerWeber,
    reference_calculator,
)

__all__ = [
    "REFERENCES",
    "CleriRosato",
    "ReferenceCalculator",
    "ReferenceInfo",
    "StillingerWeber",
    "reference_calculator",
]
