"""Per-element feed-forward networks, all ensemble members batched: weights, energies and gradients."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from nnpcore.errors import PotentialError
from nnpcore.potential.activation import Activation, get_activation

if TYPE_CHECKING:
    from nnpcore.descriptors import SymmetryFunctions

Activations = Mapping[str, Sequence[Activation]]
"""Per element the activation of every layer, the output included."""

Layer = tuple[Any, Any]
"""Weight (n_members, n_in, n_out) and bias (n_members, n_out) of one layer."""

OUTPUT_SCALE = 0.1
"""Initial output weights relative to Glorot's: a fresh network is nearly flat, its first forces small."""

_BLOCK = 256


@dataclass
class NetworkWeights:
    """Weights of an ensemble of per-element networks; those trained here share one activation, linear output.

    Attributes
    ----------
    activation : name of the hidden layers' activation (see ``activation.ACTIVATIONS``).
    layers : per element, from the first hidden layer to the output: weight (n_members, n_in, n_out) and bias
        (n_members, n_out), float64; the output is an energy in eV, n_out = 1. All have as many inputs
        (shorter descriptor rows are padded with zeros).
    skip : per element (n_members, n_in), eV: a linear part ``skip . x`` added to the output, or None.
    activations : for networks from elsewhere: per element the activation of every layer, the output included;
        it takes the place of ``activation``. None for hidden layers that share one and a linear output.
    """

    activation: str
    layers: dict[str, list[tuple[np.ndarray, np.ndarray]]]
    skip: dict[str, np.ndarray] | None = None
    activations: dict[str, tuple[str, ...]] | None = None

    @classmethod
    def initial(
        cls,
        functions: SymmetryFunctions,
        hidden: Sequence[int],
        n_members: int,
        seed: int,
        activation: str = "tanh",
        *,
        skip: bool = False,
    ) -> NetworkWeights:
        """Draw fresh weights: normal with Glorot's variance 2 / (n_in + n_out), the output ten times smaller.

        Member m depends on (seed, m) only, not on how many members there are. A ``skip`` part starts at zero.
        """
        get_activation(activation)
        sizes = [functions.n_descriptors, *hidden, 1]
        layers: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {}
        streams = [np.random.default_rng([seed, member]) for member in range(n_members)]
        for element in functions.elements:
            drawn = [_draw_network(stream, sizes) for stream in streams]
            layers[element] = [
                (np.stack([net[k][0] for net in drawn]), np.stack([net[k][1] for net in drawn]))
                for k in range(len(sizes) - 1)
            ]
        zeros = {e: np.zeros((n_members, sizes[0])) for e in functions.elements} if skip else None
        return cls(activation, layers, zeros)

    @property
    def elements(self) -> tuple[str, ...]:
        """Chemical symbols, in the order of the flat vector and of the species index."""
        return tuple(self.layers)

    @property
    def n_members(self) -> int:
        """Number of ensemble members."""
        return self._first[0].shape[0]

    @property
    def n_inputs(self) -> int:
        """Length of the network's input vector x."""
        return self._first[0].shape[1]

    @property
    def hidden(self) -> tuple[int, ...]:
        """Sizes of the first element's hidden layers."""
        return tuple(w.shape[2] for w, _ in next(iter(self.layers.values()))[:-1])

    def activation_names(self, element: str) -> tuple[str, ...]:
        """Name of the activation of every layer of an element's networks, the output included."""
        if self.activations is not None:
            return self.activations[element]
        return (self.activation,) * (len(self.layers[element]) - 1) + ("identity",)

    def activation_functions(self) -> dict[str, tuple[Activation, ...]]:
        """Activation of every layer of every element's networks, the output included."""
        return {e: tuple(map(get_activation, self.activation_names(e))) for e in self.layers}

    @property
    def n_parameters(self) -> int:
        """Number of parameters of one member, skip included."""
        return sum(block[0].size for block in self._blocks())

    @property
    def _first(self) -> tuple[np.ndarray, np.ndarray]:
        return next(iter(self.layers.values()))[0]

    def _blocks(self) -> Iterator[np.ndarray]:
        for element in self.layers:
            for weight, bias in self.layers[element]:
                yield weight
                yield bias
        for element in self.skip or {}:
            yield self.skip[element]  # type: ignore[index]

    def shifted(self, energies: Mapping[str, float]) -> NetworkWeights:
        """Return networks whose linear outputs lie higher by an energy (eV) of their element."""
        layers = {
            e: [*own[:-1], (own[-1][0], own[-1][1] + energies.get(e, 0.0))] for e, own in self.layers.items()
        }
        return replace(self, layers=layers)

    def flatten(self) -> np.ndarray:
        """Return all parameters as (n_members, n_parameters): element, layer, W row-major, b; then skip."""
        return np.concatenate([block.reshape(self.n_members, -1) for block in self._blocks()], axis=1)

    def with_flat(self, flat: np.ndarray) -> NetworkWeights:
        """Return weights of this architecture with the values of ``flat`` (n_members, n_parameters), copied.

        The number of members may differ from this object's.
        """
        flat = np.array(flat, dtype=np.float64)
        if flat.ndim != 2 or flat.shape[1] != self.n_parameters:
            raise ValueError(f"flat has shape {flat.shape}, wanted (n_members, {self.n_parameters})")
        position = 0

        def take(like: np.ndarray) -> np.ndarray:
            nonlocal position
            size = int(np.prod(like.shape[1:]))
            part = flat[:, position : position + size].reshape(-1, *like.shape[1:])
            position += size
            return part

        layers = {e: [(take(w), take(b)) for w, b in net] for e, net in self.layers.items()}
        skip = None if self.skip is None else {e: take(s) for e, s in self.skip.items()}
        return NetworkWeights(self.activation, layers, skip, self.activations)

    def members(self, indices: Sequence[int]) -> NetworkWeights:
        """Return the chosen members as an ensemble of their own."""
        return self.with_flat(self.flatten()[list(indices)])

    def energies(self, x: Any, species: Any) -> Any:
        """Return the network energies (n_members, n), eV, without the elements' reference energies.

        ``x`` (n, n_inputs) whitened descriptors, ``species`` (n,) index into ``elements``; all of them torch
        tensors, and differentiable, for weights of :meth:`to_torch`.
        """
        return self._in_blocks(x, species, gradient=False)[0]

    def energies_and_gradients(self, x: Any, species: Any) -> tuple[Any, Any]:
        """Return the network energies (n_members, n), eV, and dE/dx (n_members, n, n_inputs)."""
        return self._in_blocks(x, species, gradient=True)

    def _in_blocks(self, x: Any, species: Any, gradient: bool) -> tuple[Any, Any]:
        """Evaluate arrays block by block: small intermediate arrays stay in the cache."""
        activation = self.activation_functions()
        if not isinstance(x, np.ndarray):
            return evaluate(self.layers, self.skip, activation, x, species, gradient=gradient)
        energies = np.empty((self.n_members, len(x)))
        gradients = np.empty((self.n_members, *x.shape)) if gradient else None
        for first in range(0, len(x), _BLOCK):
            rows = slice(first, first + _BLOCK)
            part = evaluate(self.layers, self.skip, activation, x[rows], species[rows], gradient=gradient)
            energies[:, rows] = part[0]
            if gradients is not None:
                gradients[:, rows] = part[1]
        return energies, gradients

    def to_torch(self, device: str = "cpu", dtype: Any = None) -> NetworkWeights:
        """Return the same networks as torch tensors on ``device``, float64 unless ``dtype`` is given."""
        import torch

        def tensor(array: np.ndarray) -> Any:
            return torch.as_tensor(np.ascontiguousarray(array), dtype=dtype or torch.float64, device=device)

        layers = {e: [(tensor(w), tensor(b)) for w, b in net] for e, net in self.layers.items()}
        skip = None if self.skip is None else {e: tensor(s) for e, s in self.skip.items()}
        return replace(self, layers=layers, skip=skip)

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Return the weights by name, ``network.Si.0.weight`` and so on, for a tensor file."""
        arrays = {}
        for element, net in self.layers.items():
            for k, (weight, bias) in enumerate(net):
                arrays[f"network.{element}.{k}.weight"] = weight
                arrays[f"network.{element}.{k}.bias"] = bias
        for element, skip in (self.skip or {}).items():
            arrays[f"network.{element}.skip"] = skip
        return arrays

    @classmethod
    def from_arrays(
        cls,
        activation: str,
        n_layers: Mapping[str, int],
        arrays: Mapping[str, np.ndarray],
        activations: dict[str, tuple[str, ...]] | None = None,
    ) -> NetworkWeights:
        """Rebuild from :meth:`to_arrays` and each element's number of layers; KeyError for a missing name."""
        layers = {
            e: [(arrays[f"network.{e}.{k}.weight"], arrays[f"network.{e}.{k}.bias"]) for k in range(n)]
            for e, n in n_layers.items()
        }
        has_skip = any(f"network.{e}.skip" in arrays for e in n_layers)
        skip = {e: arrays[f"network.{e}.skip"] for e in n_layers} if has_skip else None
        return cls(activation, layers, skip, activations)

    def check(self) -> None:
        """Raise :class:`PotentialError` unless shapes chain, members agree and every number is finite."""
        get_activation(self.activation)
        for element, functions in self.activation_functions().items():
            if len(functions) != len(self.layers[element]):
                raise PotentialError(
                    f"the network of {element} has {len(self.layers[element])} layers, but "
                    f"{len(functions)} activations"
                )
        for element, net in self.layers.items():
            n_in = self.n_inputs
            for k, (weight, bias) in enumerate(net):
                n_out = weight.shape[-1] if k < len(net) - 1 else 1
                if weight.shape != (self.n_members, n_in, n_out) or bias.shape != (self.n_members, n_out):
                    raise PotentialError(
                        f"layer {k} of the network of {element} has shapes {weight.shape} and {bias.shape}, "
                        f"wanted {(self.n_members, n_in, n_out)} and {(self.n_members, n_out)}"
                    )
                n_in = n_out
            if self.skip is not None and self.skip[element].shape != (self.n_members, self.n_inputs):
                raise PotentialError(f"the linear part of {element} has shape {self.skip[element].shape}")
        if not all(np.isfinite(block).all() for block in self._blocks()):
            raise PotentialError("the network holds weights that are not finite numbers")


def _draw_network(stream: np.random.Generator, sizes: Sequence[int]) -> list[tuple[np.ndarray, np.ndarray]]:
    net = []
    for k, (n_in, n_out) in enumerate(itertools.pairwise(sizes)):
        last = k == len(sizes) - 2
        scale = np.sqrt(2.0 / (n_in + n_out)) * (OUTPUT_SCALE if last else 1.0)
        weight = stream.normal(0.0, scale, (n_in, n_out))
        bias = np.zeros(n_out) if last else stream.normal(0.0, 0.1, n_out)
        net.append((weight, bias))
    return net


def evaluate(
    layers: Mapping[str, Sequence[Layer]],
    skip: Mapping[str, Any] | None,
    activations: Activations,
    x: Any,
    species: Any,
    *,
    gradient: bool = True,
) -> tuple[Any, Any]:
    """Evaluate all members for atoms of mixed elements, numpy or torch alike.

    Returns
    -------
    energies (n_members, n), eV, and dE/dx (n_members, n, n_inputs) or None; ``x`` is (n, n_inputs),
    ``species`` (n,) indexes the keys of ``layers``.
    """
    if len(layers) == 1:
        element = next(iter(layers))
        return _evaluate_one(layers[element], skip and skip[element], activations[element], x, gradient)
    n_members = next(iter(layers.values()))[0][0].shape[0]
    energies = _empty(x, (n_members, len(x)))
    gradients = _empty(x, (n_members, *x.shape)) if gradient else None
    for index, element in enumerate(layers):
        chosen = (species == index).nonzero()
        chosen = chosen[0] if isinstance(chosen, tuple) else chosen[:, 0]
        if not len(chosen):
            continue
        own = activations[element]
        part = _evaluate_one(layers[element], skip and skip[element], own, x[chosen], gradient)
        energies[:, chosen] = part[0]
        if gradients is not None:
            gradients[:, chosen] = part[1]
    return energies, gradients


def _empty(x: Any, shape: tuple[int, ...]) -> Any:
    return np.zeros(shape) if isinstance(x, np.ndarray) else x.new_zeros(shape)


def _evaluate_one(
    net: Sequence[Layer], skip: Any, activations: Sequence[Activation], x: Any, gradient: bool
) -> tuple[Any, Any]:
    """Evaluate one element's networks: a forward sweep, then the gradient by a reverse sweep."""
    slopes = []
    h = x
    for (weight, bias), activation in zip(net[:-1], activations, strict=False):
        h, slope = activation.with_derivative(h @ weight + bias[:, None, :])
        slopes.append(slope)
    weight, bias = net[-1]
    energies = (h @ weight)[..., 0] + bias
    back = _output_gradient(weight, x) if gradient else None
    if activations[-1].name != "identity":
        energies, slope = activations[-1].with_derivative(energies)
        back = None if back is None else back * slope[:, :, None]
    if skip is not None:
        energies = energies + skip @ x.T
    if back is None:
        return energies, None
    for (weight, _), slope in zip(reversed(net[:-1]), reversed(slopes), strict=True):
        back = (back * slope) @ weight.swapaxes(1, 2)
    return energies, back if skip is None else back + skip[:, None, :]


def _output_gradient(weight: Any, x: Any) -> Any:
    """Return the output layer's weights repeated for every atom, (n_members, n, n_in), without copying."""
    row = weight.swapaxes(1, 2)
    shape = (row.shape[0], len(x), row.shape[2])
    return np.broadcast_to(row, shape) if isinstance(row, np.ndarray) else row.expand(shape)
