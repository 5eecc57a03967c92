"""A potential as a TorchScript module."""

from nnpcore.exchange.torchscript.writing import write_torch

__all__ = ["write_torch"]
