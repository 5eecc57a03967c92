"""SIMPLE-NN's ``potential_saved``, in and out."""

from nnpcore.exchange.simple_nn.potential_saved import read_simple_nn, write_simple_nn

__all__ = ["read_simple_nn", "write_simple_nn"]
