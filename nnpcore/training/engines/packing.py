"""How a member's parameters lie in memory while it is trained.

Inside the optimizers the layer from ``n_in`` to ``n_out`` neurons is one matrix (n_out, n_in + 1),
row-major, whose last column is the bias: all that enters one neuron is contiguous, and an input row with a
trailing 1 needs no separate bias. Layers follow each other, elements too.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from nnpcore.potential.network import NetworkWeights


@dataclass(frozen=True)
class Packing:
    """Shape of the networks and the order of their parameters.

    Attributes
    ----------
    sizes : neurons of every layer, inputs first, 1 last; the same for every element.
    n_elements : number of networks of a member.
    """

    sizes: tuple[int, ...]
    n_elements: int

    @classmethod
    def of(cls, weights: NetworkWeights) -> Packing:
        """Return the packing of an ensemble without a linear part."""
        if weights.skip is not None:
            raise ValueError("networks with a linear part are solved in closed form, not trained")
        return cls((weights.n_inputs, *weights.hidden, 1), len(weights.elements))

    @property
    def n_layers(self) -> int:
        """Number of weight matrices of a network."""
        return len(self.sizes) - 1

    def shape(self, layer: int) -> tuple[int, int]:
        """Shape (n_out, n_in + 1) of a layer's matrix, bias included."""
        return self.sizes[layer + 1], self.sizes[layer] + 1

    @cached_property
    def layer_offsets(self) -> np.ndarray:
        """Start of every layer within one element's parameters, and their end; (n_layers + 1,) int64."""
        counts = [n_out * n_in for n_out, n_in in map(self.shape, range(self.n_layers))]
        return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)

    @property
    def n_per_element(self) -> int:
        """Parameters of one network."""
        return int(self.layer_offsets[-1])

    @property
    def n_parameters(self) -> int:
        """Parameters of one member."""
        return self.n_elements * self.n_per_element

    @cached_property
    def order(self) -> np.ndarray:
        """``internal = flat[:, order]`` for the vector of ``NetworkWeights.flatten``; (n_parameters,)."""
        parts = []
        start = 0
        for _ in range(self.n_elements):
            for n_in, n_out in zip(self.sizes[:-1], self.sizes[1:], strict=True):
                weight = start + np.arange(n_in * n_out).reshape(n_in, n_out)
                bias = start + n_in * n_out + np.arange(n_out)
                parts.append(np.vstack([weight, bias]).T.ravel())
                start += (n_in + 1) * n_out
        return np.concatenate(parts)

    def matrix(self, parameters: Any, element: int, layer: int) -> Any:
        """Return a layer's matrices (n_members, n_out, n_in + 1) of parameters (n_members, n_parameters).

        The bias is the last column; arrays and tensors alike, without copying.
        """
        start = element * self.n_per_element + int(self.layer_offsets[layer])
        n_out, width = self.shape(layer)
        return parameters[:, start : start + n_out * width].reshape(-1, n_out, width)

    def to_internal(self, weights: NetworkWeights) -> np.ndarray:
        """Return the parameters (n_members, n_parameters) in this order, float64, C-contiguous."""
        return np.ascontiguousarray(weights.flatten()[:, self.order])

    def to_weights(self, internal: np.ndarray, like: NetworkWeights) -> NetworkWeights:
        """Return ``like`` with the parameters ``internal`` (n_members, n_parameters)."""
        flat = np.empty(internal.shape)
        flat[:, self.order] = internal
        return like.with_flat(flat)

    def blocks(self, largest: int) -> list[slice]:
        """Cut the parameters into blocks of whole neurons of one layer, as equal as possible.

        Parameters
        ----------
        largest : wanted size of a block at most; a single neuron is never cut.
        """
        cuts: list[slice] = []
        for element in range(self.n_elements):
            for layer in range(self.n_layers):
                n_out, width = self.shape(layer)
                start = element * self.n_per_element + int(self.layer_offsets[layer])
                n_groups = -(-n_out // max(1, largest // width))
                edges = start + width * np.round(np.linspace(0, n_out, n_groups + 1)).astype(int)
                cuts += [slice(int(a), int(b)) for a, b in pairwise(edges)]
        return cuts
