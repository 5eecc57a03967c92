"""Potentials: batched networks, energies, forces and stresses, the ASE calculator and the file format."""

from nnpcore.potential.activation import ACTIVATIONS, Activation, get_activation
from nnpcore.potential.network import NetworkWeights, TorchNetwork

__all__ = ["ACTIVATIONS", "Activation", "NetworkWeights", "TorchNetwork", "get_activation"]
