"""Potentials: batched networks, energies, forces and stresses, the ASE calculator and the file format."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from nnpcore.potential.activation import ACTIVATIONS, Activation, get_activation
from nnpcore.potential.ensemble import Ensemble
from nnpcore.potential.model import AtomicEnergyModel
from nnpcore.potential.network import NetworkWeights, TorchNetwork
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
    "TorchNetwork",
    "get_activation",
]


_LATER = {  # ASE is only needed by those who calculate with it
    "CalculatorModel": "nnpcore.potential.external.model",
    "CalculatorSpec": "nnpcore.potential.external.model",
    "EatlasCalculator": "nnpcore.potential.calculator",
}


def __getattr__(name: str) -> Any:
    if name in _LATER:
        return getattr(import_module(_LATER[name]), name)
    raise AttributeError(f"module 'nnpcore.potential' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
