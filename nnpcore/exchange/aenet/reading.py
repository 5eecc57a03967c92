"""aenet's networks as a potential, of Behler's functions or Chebyshev's polynomials."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import combinations_with_replacement
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nnpcore.descriptors.functions import G2, G4, G5, ChebyshevG2, ChebyshevG5, SymmetryFunction
from nnpcore.errors import PotentialError, SettingsError
from nnpcore.exchange.aenet.files import AenetFile, read_file
from nnpcore.exchange.plain_networks import InputScaling, PlainLayer, PlainMember, PlainNetwork, combine

if TYPE_CHECKING:
    from nnpcore.potential import Potential

NETWORK = re.compile(r"(?<!^input)\.a?nn(\.ascii)?$")
"""Names of networks: Si.nn, Si.15t-15t.nn.ascii, Si.ann; not n2p2's input.nn."""

_ACTIVATIONS = ("identity", "tanh", "sigmoid")
_MODIFIED_TANH = 3
_STEEP, _HIGH = 2.0 / 3.0, 1.7159
"""The modified tanh is 1.7159 tanh(2x/3)."""

_SMALLEST_DEVIATION = 1e-10
"""aenet gives inputs that vary less the value zero."""

_OTHER = "Ask it through an ASE calculator, by --calculator"


def read_aenet(sources: str | Path | Sequence[str | Path]) -> Potential:
    """Read one ensemble's members: folders with a network for each element, or files of one element.

    Raises
    ------
    PotentialError : an element's network is missing or there are two, a file is cut or contradictory, or has
        what Eatlas cannot evaluate; it names the file and the place.
    """
    given = [sources] if isinstance(sources, (str, Path)) else list(sources)
    paths = [Path(source) for source in given]
    members = [_read_member(path) for path in paths]
    name = paths[0].name if len(paths) == 1 else paths[0].absolute().parent.name
    origin = {"format": "aenet", "folders": [str(path.absolute()) for path in paths]}
    return combine(members, [str(path) for path in paths], {"name": name, "imported": origin})


def network_files(path: Path) -> list[Path]:
    """Return the files of networks at a path; of ``Si.nn`` and ``Si.nn.ascii`` the text."""
    if not path.is_dir():
        return [path] if path.is_file() and NETWORK.search(path.name) else []
    found = sorted(file for file in path.iterdir() if file.is_file() and NETWORK.search(file.name))
    texts = {file.name for file in found if file.name.endswith(".ascii")}
    return [file for file in found if f"{file.name}.ascii" not in texts]


def _read_member(path: Path) -> PlainMember:
    files = [read_file(file) for file in network_files(path)]
    if not files:
        raise PotentialError(
            "here is no network of aenet (Si.nn, Si.nn.ascii)", where=str(path), fix="Choose their folder"
        )
    by_element: dict[str, AenetFile] = {}
    for file in files:
        if file.element in by_element:
            what = f"it is a network of {file.element}, as {by_element[file.element].path.name} is"
            raise file.problem(what, "Keep the files of one potential in a folder of their own")
        by_element[file.element] = file
    for file in files:
        missing = [element for element in file.environment if element not in by_element]
        if missing:
            what = f"it has neighbors of {' and '.join(missing)}, whose network is not here"
            raise file.problem(what, "Name a folder that has the networks of all elements")
    return {element: _network(file) for element, file in by_element.items()}


def _network(file: AenetFile) -> PlainNetwork:
    """Return an element's network on symmetry functions, which are its inputs or parts of them."""
    layers, activations = _layers(file)
    basis = file.basis.lower()
    if basis == "behler2011":
        functions, parts = _behler(file)
    elif basis == "chebyshev":
        functions, parts = _chebyshev(file)
    else:
        what = f"its fingerprint is of the kind '{file.basis[:40]}'; Eatlas reads Behler2011 and Chebyshev"
        raise file.problem(what, _OTHER)
    deviation = np.sqrt(np.maximum(file.mean_square - file.mean**2, 0.0))
    scale = np.divide(1.0, deviation, out=np.zeros(len(deviation)), where=deviation > _SMALLEST_DEVIATION)
    weight, bias = layers[0]
    weight = scale[:, None] * weight
    layers[0] = (parts.T @ weight, bias - file.mean @ weight)
    last, bias = layers[-1]
    layers[-1] = (last / file.scale, bias / file.scale)
    if file.element not in file.types:
        raise file.problem(f"its training set does not know {file.element}, whose network it is")
    offset = file.shift + float(file.type_energies[file.types.index(file.element)])
    return PlainNetwork(functions, _as_they_are(len(functions)), layers, activations, offset)


def _as_they_are(n: int) -> InputScaling:
    return InputScaling(np.zeros(n), np.ones(n), np.zeros(n))


def _layers(file: AenetFile) -> tuple[list[PlainLayer], tuple[str, ...]]:
    """Return the layers and their activations' names; modified tanh is folded into its neighbors."""
    layers: list[PlainLayer] = []
    names: list[str] = []
    start, factor = 0, 1.0
    for number, n_in, n_out in zip(file.activations, file.nodes, file.nodes[1:], strict=False):
        stop = start + (n_in + 1) * n_out
        block = file.weights[start:stop].reshape(n_in + 1, n_out)
        weight, bias, start = block[:-1] * factor, block[-1], stop
        factor = 1.0
        if number == _MODIFIED_TANH:
            weight, bias, number, factor = weight * _STEEP, bias * _STEEP, 1, _HIGH
        if not 0 <= number < len(_ACTIVATIONS):
            name = "tanh with a twist" if number == 4 else f"number {number}"
            raise file.problem(f"Eatlas has no activation like aenet's {name}", _OTHER)
        layers.append((weight, bias))
        names.append(_ACTIVATIONS[number])
    if names[-1] != "identity":
        raise file.problem("its output is not linear", _OTHER)
    return layers, tuple(names)


def _behler(file: AenetFile) -> tuple[tuple[SymmetryFunction, ...], np.ndarray]:
    """Return the functions in the order in which aenet evaluates them: by neighbors, then by kind."""
    if file.environment.index(file.element) != file.types.index(file.element):
        what = (
            f"it lists neighbors in the order {' '.join(file.environment)}, its training set had "
            f"{' '.join(file.types)}: aenet then takes functions of other elements"
        )
        raise file.problem(what, _OTHER)
    order = sorted(range(len(file.kinds)), key=lambda k: _place(file, k))
    functions = tuple(_behler_function(file, k) for k in order)
    if len(set(functions)) < len(functions):
        double = next(k for k, f in enumerate(functions) if f in functions[:k])
        raise file.problem(
            f"function {order[double] + 1} is there twice", "Train without the double function"
        )
    return functions, np.eye(len(functions))


def _place(file: AenetFile, k: int) -> tuple[int, int, int, int]:
    """Sorts functions as aenet does: neighbor, radial ones before angular ones, second neighbor, kind."""
    kind = int(file.kinds[k])
    first, second = (int(place) for place in file.neighbors[k])
    if kind < 4:
        return first, 0, 0, kind
    return min(first, second), 1, max(first, second), kind


def _behler_function(file: AenetFile, k: int) -> SymmetryFunction:
    kind, parameters = int(file.kinds[k]), [float(value) for value in file.parameters[k]]
    where = f"function {k + 1}"
    wanted = 4 if kind in (4, 5) else 3
    if kind not in (1, 2, 4, 5):
        name = " (cos κr times the cutoff)" if kind == 3 else ""
        raise file.problem(f"{where} is of kind G{kind}{name}; Eatlas reads G1, G2, G4 and G5", _OTHER)
    if len(parameters) < wanted:
        raise file.problem(f"{where} has {len(parameters)} parameters, not {wanted}")
    near = [_element(file, int(place), where) for place in file.neighbors[k][: 1 + (kind > 3)]]
    try:
        if kind < 3:
            cutoff, shift, eta = (*parameters[:1], 0.0, 0.0) if kind == 1 else parameters[:3]
            return G2(near[0], eta, shift, cutoff)
        cutoff, lambda_, zeta, eta = parameters[:4]
        return (G4 if kind == 4 else G5)((near[0], near[1]), eta, zeta, lambda_, cutoff)
    except SettingsError as error:
        raise file.problem(f"{where}: {error.what}", error.fix or _OTHER) from None


def _element(file: AenetFile, place: int, where: str) -> str:
    if not 1 <= place <= len(file.environment):
        raise file.problem(f"{where} has neighbors of element {place} of {len(file.environment)}")
    return file.environment[place - 1]


def _chebyshev(file: AenetFile) -> tuple[tuple[SymmetryFunction, ...], np.ndarray]:
    """Return functions of elements and of pairs of them, and how the inputs are sums of them, (n_inputs, n).

    Inputs are sums over all neighbors, and with several elements the same weighted by their "spins".
    """
    if file.parameters.shape[1] < 4:
        raise file.problem(f"{file.parameters.shape[1]} parameters of the polynomials, not 4")
    radial_cutoff, radial_order, angular_cutoff, angular_order = (float(x) for x in file.parameters[0, :4])
    orders = [round(radial_order), round(angular_order)]
    several = len(file.environment) > 1
    wanted = (sum(orders) + 2) * (2 if several else 1)
    if min(orders) < 0 or wanted != len(file.kinds):
        what = f"polynomials to the orders {orders[0]} and {orders[1]}"
        raise file.problem(f"{what} are {wanted} inputs, the file has {len(file.kinds)}")
    if several and angular_cutoff > radial_cutoff:
        what = "its angles reach farther than its distances: aenet then takes the weights of other neighbors"
        raise file.problem(what, _OTHER)
    elements = file.environment
    spin = dict(zip(elements, _spins(len(elements)), strict=True))
    radial = [(e, n) for n in range(orders[0] + 1) for e in elements]
    pairs = list(combinations_with_replacement(elements, 2))
    angular = [(pair, n) for n in range(orders[1] + 1) for pair in pairs] if angular_cutoff > 0 else []
    try:
        functions: tuple[SymmetryFunction, ...] = (
            *(ChebyshevG2(e, n, radial_cutoff) for e, n in radial),
            *(ChebyshevG5(pair, n, angular_cutoff) for pair, n in angular),
        )
    except SettingsError as error:
        raise file.problem(error.what, error.fix or _OTHER) from None
    parts = np.zeros((wanted, len(functions)))
    for column, (e, n) in enumerate(radial):
        parts[n, column] = 1.0
        if several:
            parts[wanted // 2 + n, column] = spin[e]
    for column, ((a, b), n) in enumerate(angular, start=len(radial)):
        row = orders[0] + 1 + n
        parts[row, column] = 1.0
        if several:
            parts[wanted // 2 + row, column] = spin[a] * spin[b]
    return functions, parts


def _spins(n: int) -> list[float]:
    """aenet's weights of n elements: whole numbers around zero, which an even number leaves out."""
    if n % 2:
        return [float(k) for k in range(-(n // 2), n // 2 + 1)]
    return [float(k) for k in range(-(n // 2), n // 2 + 1) if k]
