"""Potentials: batched networks, energies, forces and stresses, the ASE calculator and the file format."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nnpcore.potential.activation import ACTIVATIONS, Activation, get_activation
from nnpcore.potential.network import NetworkWeights, TorchNetwork
from nnpcore.potential.potential import Potential
from nnpcore.potential.prediction import Prediction

if TYPE_CHECKING:
    from nnpcore.potential.calculator import EatlasCalculator

__all__ = [
    "ACTIVATIONS",
    "Activation",
    "EatlasCalculator",
    "NetworkWeights",
    "Potential",
    "Prediction",
    "TorchNetwork",
    "get_activation",
]


def __getattr__(name: str) -> Any:
    if name == "EatlasCalculator":  # ASE is only needed by those who calculate with it
        from nnpcore.potential.calculator import EatlasCalculator

        return EatlasCalculator
    raise AttributeError(f"module 'nnpcore.potential' has no attribute {name!r}")
