"""Networks as other programs keep them: one member, each input scaled on its own, no linear part beside.

Going out, whitening, reference energy and linear part are folded into the layers; coming in, members with
scalings of their own are folded onto the scaling of the first, so that they become one ensemble.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from nnpcore.descriptors.functions import Angular, SymmetryFunction
from nnpcore.errors import PotentialError
from nnpcore.exchange.linear_neurons import carry_linear_part

if TYPE_CHECKING:
    from nnpcore.descriptors import SymmetryFunctions
    from nnpcore.potential import NetworkWeights, Potential

PlainLayer = tuple[np.ndarray, np.ndarray]
"""Weight (n_in, n_out) and bias (n_out,) of one layer."""


@dataclass(frozen=True, eq=False)
class InputScaling:
    """How each symmetry function enters a network: ``u = (G - center) * scale + low``, all (n_functions,)."""

    center: np.ndarray
    scale: np.ndarray
    low: np.ndarray

    @classmethod
    def centered(cls, center: np.ndarray) -> InputScaling:
        """Return the scaling that only subtracts ``center``."""
        return cls(center, np.ones(len(center)), np.zeros(len(center)))


@dataclass(frozen=True, eq=False)
class PlainNetwork:
    """One element's network of one member: ``E = offset + network(u)``.

    Attributes
    ----------
    functions : symmetry functions in the order of the inputs.
    scaling : from their values to the network's inputs.
    layers : from the first hidden layer to the output, of one neuron, eV.
    activations : name of every layer's activation, the output included.
    offset : eV.
    """

    functions: tuple[SymmetryFunction, ...]
    scaling: InputScaling
    layers: list[PlainLayer]
    activations: tuple[str, ...]
    offset: float = 0.0


PlainMember = dict[str, PlainNetwork]
"""One member's networks by element."""


def check_kinds(potential: Potential, program: str, kinds: Collection[type], *, usual: bool = True) -> None:
    """Raise :class:`PotentialError` for a symmetry function of another kind than ``program`` has.

    ``usual``: it knows the cosine cutoff alone, and no shift of angular functions.
    """
    for element, members in potential.functions.functions.items():
        for function in members:
            factor = function.distance_factor
            if type(function) not in kinds:
                known, own = ", ".join(kind.__name__ for kind in kinds), type(function).__name__
                what = f"symmetry functions {own}, which {program} does not know (only {known})"
            elif usual and not factor._replace(r_s=0.0).plain:
                what = f"a cutoff function that {program} does not know (only cosine, without inner part)"
            elif usual and factor.r_s != 0 and isinstance(function, Angular):
                what = f"angular functions shifted by r_s, which {program} does not know"
            else:
                continue
            raise PotentialError(
                f"{element} has {what}",
                where=potential.name,
                fix="Export it as potential, or train it with other functions",
            )


def check_writable(
    potential: Potential, program: str, kinds: Collection[type], *, usual: bool = True
) -> None:
    """Raise :class:`PotentialError` for what no plain network, or no function of these kinds, can hold; see
    :func:`check_kinds`."""
    check_kinds(potential, program, kinds, usual=usual)
    if potential.nonlinear_baseline is not None:
        kind = "quadratic terms" if potential.nonlinear_baseline.kind == "quadratic" else "a kernel"
        raise PotentialError(
            f"the potential has {kind} under its networks, which the layers of {program} cannot hold",
            where=potential.name,
            fix="Export it as torch or potential, or train it with the baseline 'linear' or none",
        )
    for element in potential.elements:
        if potential.functions.count(element) == 0:
            raise PotentialError(
                f"{element} has no symmetry functions, which {program} cannot hold",
                where=potential.name,
                fix="Export it as potential or torch",
            )


def plain_network(
    potential: Potential,
    member: int,
    element: str,
    order: Sequence[int],
    scaling: InputScaling,
    *,
    coarse_tanh: bool = False,
) -> PlainNetwork:
    """Fold one member's whitening, linear part and reference energy into its network of one element.

    Parameters
    ----------
    order : which function comes first, second and so on.
    scaling : of the functions in that order, as the file will hold it.
    coarse_tanh : how the program computes tanh, see :func:`nnpcore.exchange.linear_neurons.passage`.
    """
    e = potential.elements.index(element)
    weights, whitening = potential.weights, potential.whitening
    names = weights.activation_names(element)
    layers = [(w[member], b[member]) for w, b in weights.layers[element]]
    # x = u @ turn + shift, from the file's scaled inputs u to the whitened ones
    matrix, mean = whitening.matrix[e][order], whitening.mean[e][order]
    rest = np.setdiff1d(np.arange(len(whitening.mean[e])), order)
    turn = matrix / scaling.scale[:, None]
    shift = (scaling.center - scaling.low / scaling.scale - mean) @ matrix
    shift = shift - whitening.mean[e][rest] @ whitening.matrix[e][rest]
    first, bias = layers[0]
    layers[0] = (turn @ first, bias + shift @ first)
    offset = potential.element_energies[element]
    if weights.skip is not None:
        skip = weights.skip[element][member]
        if names[-1] != "identity":
            raise PotentialError(f"the output of {element} is not linear but has a linear part beside it")
        constant = float(shift @ skip)
        layers = carry_linear_part(layers, names, turn @ skip, constant, coarse_tanh=coarse_tanh)
    if names[-1] == "identity":
        last, bias = layers[-1]
        layers[-1], offset = (last, bias + offset), 0.0
    functions = tuple(potential.functions.functions[element][k] for k in order)
    return PlainNetwork(functions, scaling, layers, names, offset)


def combine(members: Sequence[PlainMember], labels: Sequence[str], info: dict) -> Potential:
    """Make one ensemble of members read from files; ``labels`` names them in messages.

    The first member's scaling becomes the potential's ``whitening``, that of the others is folded into their
    first layers.

    Raises
    ------
    PotentialError : members with different elements, symmetry functions, layers or activations.
    """
    from nnpcore.descriptors import SymmetryFunctions, Whitening
    from nnpcore.potential import Potential

    first = members[0]
    functions = SymmetryFunctions({e: network.functions for e, network in first.items()})
    n_d = functions.n_descriptors
    mean = np.zeros((len(functions.elements), n_d))
    matrix = np.zeros((len(functions.elements), n_d, n_d))
    for e, element in enumerate(functions.elements):
        scaling = first[element].scaling
        mean[e, : len(scaling.center)] = scaling.center
        matrix[e, range(len(scaling.scale)), range(len(scaling.scale))] = scaling.scale
    for member, label in zip(members[1:], labels[1:], strict=True):
        _check_alike(first, member, labels[0], label)
    weights = _weights(functions, members)
    energies = {e: first[e].offset for e in functions.elements}
    return Potential(functions, Whitening(mean, matrix), weights, energies, info)


def _check_alike(first: PlainMember, other: PlainMember, label: str, other_label: str) -> None:
    """Raise where two members cannot be one ensemble."""
    fix = "Give only folders of one ensemble"
    if set(first) != set(other):
        what = f"it knows {', '.join(other)}, but {label} knows {', '.join(first)}"
        raise PotentialError(what, where=other_label, fix=fix)
    for element in first:
        a, b = first[element], other[element]
        if set(a.functions) != set(b.functions):
            what = f"its symmetry functions of {element} are not those of {label}"
        elif a.activations != b.activations:
            what = f"its networks of {element} have other layers or activations than those of {label}"
        elif a.offset != b.offset and a.activations[-1] != "identity":
            what = f"its energy of a free {element} atom is not that of {label}"
        else:
            continue
        raise PotentialError(what, where=other_label, fix=fix)


def _weights(functions: SymmetryFunctions, members: Sequence[PlainMember]) -> NetworkWeights:
    """Stack the members' layers; narrower ones get neurons that nothing listens to."""
    from nnpcore.potential import NetworkWeights

    first = members[0]
    layers = {}
    for element in functions.elements:
        nets = [_onto(first[element], member[element]) for member in members]
        widths = [max(net[k][1].size for net in nets) for k in range(len(nets[0]))]
        sizes = [functions.n_descriptors, *widths]
        grown = [[padded(net[k], sizes[k], sizes[k + 1]) for k in range(len(net))] for net in nets]
        layers[element] = [
            (np.stack([net[k][0] for net in grown]), np.stack([net[k][1] for net in grown]))
            for k in range(len(widths))
        ]
    activations = {e: first[e].activations for e in functions.elements}
    names = {name for own in activations.values() for name in own[:-1]}
    plain = len(names) == 1 and all(own[-1] == "identity" for own in activations.values())
    return NetworkWeights(next(iter(sorted(names))), layers, None, None if plain else activations)


def _onto(first: PlainNetwork, network: PlainNetwork) -> list[PlainLayer]:
    """Return a network's layers for inputs ``x = (G - center) * scale`` of the first member."""
    order = [network.functions.index(f) for f in first.functions]
    a, b = first.scaling, network.scaling
    center, scale, low = b.center[order], b.scale[order], b.low[order]
    weight, bias = network.layers[0]
    weight = weight[order]
    layers = [((scale / a.scale)[:, None] * weight, bias + (scale * (a.center - center) + low) @ weight)]
    layers += network.layers[1:]
    if network.offset != first.offset:
        last, bias = layers[-1]
        layers[-1] = (last, bias + network.offset - first.offset)
    return layers


def padded(layer: PlainLayer, n_in: int, n_out: int) -> PlainLayer:
    """Return a layer with more inputs and neurons, all weights of which are zero."""
    weight, bias = layer
    grown = np.zeros((n_in, n_out))
    grown[: weight.shape[0], : weight.shape[1]] = weight
    return grown, np.pad(bias, (0, n_out - len(bias)))
