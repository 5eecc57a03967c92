"""SIMPLE-NN's ``potential_saved``, in and out; LAMMPS' ``pair_style nn`` of SIMPLE-NN reads it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nnpcore.descriptors.functions import G2, G4, G5, SymmetryFunction
from nnpcore.errors import PotentialError, SettingsError
from nnpcore.exchange.foreign_text import ForeignText, Line
from nnpcore.exchange.lammps_styles import short_range_comments
from nnpcore.exchange.member_folders import member_paths
from nnpcore.exchange.plain_networks import (
    InputScaling,
    PlainMember,
    PlainNetwork,
    check_writable,
    combine,
    plain_network,
)
from nnpcore.files import write_atomically
from nnpcore.installation import VERSION

if TYPE_CHECKING:
    from nnpcore.potential import Potential

NAME = "potential_saved"
LONGEST_LINE = 50_000
"""Characters LAMMPS' reader takes of a line, its end included."""

_PROGRAM = "SIMPLE-NN"
_TYPES: dict[type, int] = {G2: 2, G4: 4, G5: 5}
_ANGULAR = ("cutoff", "eta", "zeta", "lambda_")
_NUMBERS: dict[type, tuple[str, ...]] = {G2: ("cutoff", "eta", "r_s"), G4: _ANGULAR, G5: _ANGULAR}
_ACTIVATIONS = {
    "linear": "identity",
    "sigmoid": "sigmoid",
    "tanh": "tanh",
    "relu": "relu",
    "selu": "selu",
    "swish": "swish",
}


def write_simple_nn(potential: Potential, folder: str | Path) -> list[Path]:
    """Write ``potential_saved``; return the files.

    One member is written into ``folder`` itself, those of an ensemble into ``member-1`` and so on.

    Raises
    ------
    PotentialError : an activation, a zeta below 1 or a baseline that SIMPLE-NN does not know, named.
    RunFolderError : the folder cannot be written.
    """
    check_writable(potential, _PROGRAM, _TYPES)
    _check(potential)
    files = []
    for m, target in enumerate(member_paths(Path(folder), potential.n_members)):
        member = {}
        for e, element in enumerate(potential.elements):
            n_f = potential.functions.count(element)
            scaling = InputScaling.centered(potential.whitening.mean[e, :n_f])
            member[element] = plain_network(potential, m, element, range(n_f), scaling, coarse_tanh=True)
        write_atomically(target / NAME, _text(potential, member, m).encode())
        files.append(target / NAME)
    return files


def _check(potential: Potential) -> None:
    fix = "Export it as n2p2, torch or potential"
    for element in potential.elements:
        names = potential.weights.activation_names(element)
        for name in names:
            if name not in _ACTIVATIONS.values():
                what = f"SIMPLE-NN does not know the activation '{name}'"
                raise PotentialError(what, where=potential.name, fix=fix)
        if names[-1] != "identity":
            raise PotentialError("SIMPLE-NN wants a linear output", where=potential.name, fix=fix)
        for function in potential.functions.functions[element]:
            if isinstance(function, (G4, G5)) and function.zeta < 1:
                what = f"SIMPLE-NN does not take zeta below 1: {function}"
                raise PotentialError(what, where=potential.name, fix=fix)


def _text(potential: Potential, member: PlainMember, m: int) -> str:
    lines = [f"ELEM_LIST {' '.join(member)}", ""]
    for network in member.items():
        lines += _element_lines(*network)
    lines += _comments(potential, m)
    longest = max(map(len, lines))
    if longest + 1 > LONGEST_LINE:
        raise PotentialError(
            f"a line would have {longest} characters, SIMPLE-NN's reader takes {LONGEST_LINE}",
            where=potential.name,
            fix="Use fewer symmetry functions or narrower layers, or export it as n2p2",
        )
    return "\n".join(lines) + "\n"


def _element_lines(element: str, network: PlainNetwork) -> list[str]:
    names = {name: own for own, name in _ACTIVATIONS.items()}
    cutoff = max(function.cutoff for function in network.functions)
    widths = [bias.size for _, bias in network.layers]
    lines = [f"POT {element} {cutoff!r}", f"SYM {len(network.functions)}"]
    lines += [_function_line(function) for function in network.functions]
    lines.append(f"scale1 {_numbers(network.scaling.center)}")
    lines.append(f"scale2 {_numbers(1 / network.scaling.scale)}")
    lines.append(f"NET {len(widths) - 1} {' '.join(map(str, widths))}")
    for k, ((weight, bias), activation) in enumerate(zip(network.layers, network.activations, strict=True)):
        lines.append(f"LAYER {k} {names[activation]}")
        for neuron in range(bias.size):
            lines.append(f"w{neuron} {_numbers(weight[:, neuron])}")
            lines.append(f"b{neuron} {_numbers(bias[neuron : neuron + 1])}")
    return [*lines, ""]


def _function_line(function: SymmetryFunction) -> str:
    numbers = [getattr(function, name) for name in _NUMBERS[type(function)]]
    numbers += [0.0] * (4 - len(numbers))
    values = " ".join(repr(float(number)) for number in numbers)
    return f"{_TYPES[type(function)]} {values} {' '.join(function.neighbor_elements)}"


def _numbers(row: np.ndarray) -> str:
    return " ".join(repr(float(number)) for number in row)


def _comments(potential: Potential, m: int) -> list[str]:
    """Say at the end what was done: both readers want ELEM_LIST first."""
    energies = ", ".join(f"{e} {energy:.10g} eV" for e, energy in potential.element_energies.items())
    lines = [
        f"# Written by Eatlas {VERSION}: member {m + 1} of {potential.n_members}; Angstrom, eV",
        "# Whitening of the inputs: folded into the first layer.",
        f"# Reference energies of the elements ({energies}): folded into the last bias.",
    ]
    if potential.weights.skip is not None:
        lines.append("# Linear part beside the network: the last neurons of each hidden layer carry it.")
    return lines + short_range_comments(potential)


def read_simple_nn(paths: str | Path | Sequence[str | Path]) -> Potential:
    """Read one ``potential_saved``, or several as the members of an ensemble.

    Parameters
    ----------
    paths : the files, or folders that hold one called ``potential_saved``.

    Raises
    ------
    PotentialError : missing, truncated, contradictory, or something Eatlas cannot evaluate; it names the
        file and the line.
    """
    given = [paths] if isinstance(paths, (str, Path)) else list(paths)
    files = [Path(p) / NAME if Path(p).is_dir() else Path(p) for p in given]
    members = [_Reader(file).member() for file in files]
    name = files[0].absolute().parent.name
    origin = {"format": "simple-nn", "files": [str(file.absolute()) for file in files]}
    return combine(members, [str(file) for file in files], {"name": name, "imported": origin})


class _Reader:
    """Reads one file from its beginning to its end."""

    def __init__(self, path: Path) -> None:
        self.text = ForeignText(path)
        self._at = 0

    def member(self) -> PlainMember:
        from ase.data import atomic_numbers

        head = self._next("ELEM_LIST")
        elements = head.words[1:]
        self.text.check_elements(head)
        if not elements or len(set(elements)) != len(elements):
            raise self.text.problem(head.number, "ELEM_LIST must list every element once")
        found: PlainMember = {}
        while self._at < len(self.text.lines):
            line = self._next("POT")
            element = self.text.word(line, 1, "element")
            if element not in elements or element in found:
                what = "comes twice" if element in found else "is not in ELEM_LIST"
                raise self.text.problem(line.number, f"'{element}' {what}")
            found[element] = self._network(line, elements)
        missing = [element for element in elements if element not in found]
        if missing:
            raise self._truncated(f"there is no POT of {missing[0]}, which ELEM_LIST has")
        return {e: found[e] for e in sorted(found, key=atomic_numbers.__getitem__)}

    def _truncated(self, what: str) -> PotentialError:
        return self.text.problem(self.text.end, f"the file is truncated: {what}")

    def _next(self, keyword: str) -> Line:
        """Return the next line, which must begin with ``keyword``."""
        if self._at >= len(self.text.lines):
            raise self._truncated(f"wanted {keyword}")
        line = self.text.lines[self._at]
        self._at += 1
        if keyword and line.words[0] != keyword:
            raise self.text.problem(line.number, f"found '{line.words[0]}', wanted {keyword}")
        return line

    def _network(self, head: Line, elements: Sequence[str]) -> PlainNetwork:
        text = self.text
        line = self._next("SYM")
        n_f = text.integer(line, 1, "number of functions")
        if n_f < 1:
            raise text.problem(line.number, "there are no symmetry functions")
        functions = self._functions(n_f, elements)
        cutoff = text.number(head, 2, "cutoff radius")
        if cutoff < max(function.cutoff for function in functions) - 1e-9:
            raise text.problem(head.number, f"the cutoff radius {cutoff:g} is below that of a function")
        first = self._next("scale1")
        center = np.array(text.numbers(first, 1, n_f, "scale1"))
        second = self._next("scale2")
        width = np.array(text.numbers(second, 1, n_f, "scale2"))
        if (width == 0).any():
            raise text.problem(second.number, "the inputs are divided by scale2, which must not be zero")
        layers, names = self._layers(n_f)
        scaling = InputScaling(center, 1 / width, np.zeros(n_f))
        return PlainNetwork(functions, scaling, layers, names)

    def _functions(self, n_f: int, elements: Sequence[str]) -> tuple[SymmetryFunction, ...]:
        found: dict[SymmetryFunction, int] = {}
        for _ in range(n_f):
            line = self._next("")
            self.text.add_function(line, self._function(line, elements), found)
        return tuple(found)

    def _function(self, line: Line, elements: Sequence[str]) -> SymmetryFunction:
        """Read ``type rc eta rs|zeta 0|lambda E1 [E2]``."""
        text = self.text
        kind = text.integer(line, 0, "type of a symmetry function")
        if kind not in (2, 4, 5):
            what = f"symmetry functions of type {kind} are not to be had"
            raise text.problem(line.number, what, "Eatlas reads types 2, 4 and 5")
        cutoff, eta, third, fourth = (text.number(line, k, "a parameter") for k in range(1, 5))
        neighbors = line.words[5:]
        if len(neighbors) != (1 if kind == 2 else 2) or any(e not in elements for e in neighbors):
            raise text.problem(line.number, f"the neighbors '{' '.join(neighbors)}' do not fit type {kind}")
        try:
            if kind == 2:
                return G2(neighbors[0], eta, third, cutoff)
            angular = G4 if kind == 4 else G5
            return angular((neighbors[0], neighbors[1]), eta, third, fourth, cutoff)
        except SettingsError as error:
            raise text.problem(line.number, error.what, error.fix or "Choose another potential") from None

    def _layers(self, n_f: int) -> tuple[list[tuple[np.ndarray, np.ndarray]], tuple[str, ...]]:
        text = self.text
        line = self._next("NET")
        n_hidden = text.integer(line, 1, "number of hidden layers")
        widths = [text.integer(line, 2 + k, "width") for k in range(len(line.words) - 2)]
        if n_hidden < 1 or len(widths) != n_hidden + 1 or widths[-1] != 1 or min(widths) < 1:
            raise text.problem(
                line.number, f"{n_hidden} hidden layers and the widths {widths} of all layers do not fit"
            )
        layers, names = [], []
        for k, (n_in, n_out) in enumerate(zip([n_f, *widths], widths, strict=False)):
            names.append(self._activation(k))
            if 2 * n_out > len(text.lines) - self._at:
                raise self._truncated(f"layer {k} has {n_out} neurons, two lines each")
            weight, bias = np.empty((n_in, n_out)), np.empty(n_out)
            for neuron in range(n_out):
                row = self._next(f"w{neuron}")
                weight[:, neuron] = text.numbers(row, 1, n_in, f"weights w{neuron} of layer {k}")
                bias[neuron] = text.numbers(self._next(f"b{neuron}"), 1, 1, f"bias b{neuron} of layer {k}")[0]
            layers.append((weight, bias))
        return layers, tuple(names)

    def _activation(self, layer: int) -> str:
        line = self._next("LAYER")
        if self.text.integer(line, 1, "layer") != layer:
            raise self.text.problem(line.number, f"layer {line.words[1]} where layer {layer} was wanted")
        name = self.text.word(line, 2, "activation")
        if name not in _ACTIVATIONS:
            raise self.text.problem(
                line.number,
                f"the activation '{name}' is not to be had",
                f"Eatlas reads {', '.join(_ACTIVATIONS)}",
            )
        return _ACTIVATIONS[name]
