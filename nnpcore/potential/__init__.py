"""Potentials: batched networks, energies, forces and stresses, the ASE calculator and the file format."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nnpcore.lazy import lazy_names
from nnpcore.potential.activation import ACTIVATIONS, Activation, get_activation
from nnpcore.potential.ensemble import Ensemble
from nnpcore.potential.model import AtomicEnergyModel
from nnpcore.potential.network import NetworkWeights
from nnpcore.potential.potential import Potential
from nnpcore.potential.prediction import Prediction

if TYPE_CHECKING:
    from nnpcore.potential.calculator import EatlasCalculator
    from nnpcore.potential.external.model import CalculatorModel, CalculatorSpec

__all__ = [
    "ACTIVATIONS",
    "Activation",
    "AtomicEnergyModel",
    "CalculatorModel",
    "CalculatorSpec",
    "EatlasCalculator",
    "Ensemble",
    "NetworkWeights",
    "Potential",
    "Prediction",
    "get_activation",
]

__getattr__, __dir__ = lazy_names(  # ASE is only needed by those who calculate with it
    __name__,
    {"calculator": ("EatlasCalculator",), "external.model": ("CalculatorModel", "CalculatorSpec")},
)
