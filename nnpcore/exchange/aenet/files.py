"""The contents of one aenet file: a network of one element with its fingerprint and its scaling of energies.

The same values in the same order stand in text (``Si.nn.ascii``) and in records of Fortran (``Si.nn``); see
N. Artrith and A. Urban, Comput. Mater. Sci. 114, 135 (2016).
"""

from __future__ import annotations

import math
import re
import struct
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TypeVar

import numpy as np

from nnpcore.errors import PotentialError
from nnpcore.exchange.foreign_text import BEYOND_SENSE
from nnpcore.files import read_regular

_MOST_NODES, _MOST_LAYERS, _MOST_ELEMENTS = 100_000, 50, 120
_LEFT_OUT_E = re.compile(r"(?<=\d)([+-]\d{3})$")
_INTEGER = re.compile(r"[+-]?\d+")
_AGAIN = "Take a fresh copy of the file"
_Number = TypeVar("_Number", int, float)


@dataclass(frozen=True, eq=False)
class AenetFile:
    """One file as it stands.

    Attributes
    ----------
    path : of the file. element : whose network it is.
    environment : elements of neighbors, in the file's order.
    nodes : of each layer from the inputs to the output.
    activations : of each layer but the inputs, by number.
    weights : of all layers, one after the other.
    basis : "Behler2011" or "Chebyshev". kinds : (n,) of the functions.
    parameters : (n, n_parameters). neighbors : (n, 2) places in ``environment`` from 1, 0 for none.
    mean, mean_square : (n,) of the inputs, by which they are scaled.
    scale, shift : of energies.
    types, type_energies : elements of the training set and energies of their atoms, eV.
    """

    path: Path
    nodes: tuple[int, ...]
    activations: tuple[int, ...]
    weights: np.ndarray
    element: str
    environment: tuple[str, ...]
    basis: str
    kinds: np.ndarray
    parameters: np.ndarray
    neighbors: np.ndarray
    mean: np.ndarray
    mean_square: np.ndarray
    scale: float
    shift: float
    types: tuple[str, ...]
    type_energies: np.ndarray

    def problem(self, what: str, fix: str = _AGAIN) -> PotentialError:
        """Return the error about this file."""
        return PotentialError(what, where=str(self.path), fix=fix)


def read_file(path: Path) -> AenetFile:
    """Read one file, of text or of Fortran's records.

    Raises
    ------
    PotentialError : missing, cut or not what aenet writes; it names the place.
    """
    try:
        data = read_regular(path)
    except OSError as error:
        raise PotentialError(f"cannot be read ({error.strerror})", where=str(path)) from None
    source = _Records(path, data) if b"\0" in data[:4] else _Text(path, data)
    return _contents(path, source)


class _Source:
    """Values one after the other; every complaint names the file and the place."""

    path: Path

    def place(self) -> str:
        """Where reading is."""
        raise NotImplementedError

    def integers(self, count: int, what: str) -> list[int]:
        """Return the next whole numbers."""
        raise NotImplementedError

    def numbers(self, count: int, what: str) -> np.ndarray:
        """Return the next numbers, all finite."""
        raise NotImplementedError

    def line(self, width: int, what: str) -> str:
        """Return the next text of one line, or of ``width`` characters."""
        raise NotImplementedError

    def words(self, count: int, what: str) -> list[str]:
        """Return the next symbols of elements."""
        raise NotImplementedError

    def truth(self, what: str) -> bool:
        """Return the next logical value."""
        raise NotImplementedError

    def neighbors(self, n_functions: int, n_elements: int) -> np.ndarray:
        """Return the neighbors of all functions, (n, 2); pass over the number of evaluations behind."""
        raise NotImplementedError

    def check_end(self) -> None:
        """Raise where something is left."""
        raise NotImplementedError

    def integer(self, what: str, low: int, high: int) -> int:
        """Return the next whole number, from ``low`` to ``high``."""
        (value,) = self.integers(1, what)
        if not low <= value <= high:
            raise self.problem(f"{what} is {value}, not from {low} to {high}")
        return value

    def number(self, what: str) -> float:
        """Return the next number."""
        return float(self.numbers(1, what)[0])

    def problem(self, what: str) -> PotentialError:
        """Return the error about the place where reading is."""
        return PotentialError(what, where=f"{self.path}, {self.place()}", fix=_AGAIN)


class _Text(_Source):
    def __init__(self, path: Path, data: bytes) -> None:
        self.path = path
        text = data.decode("utf-8-sig", errors="replace")
        self._lines = text.splitlines()
        self._whole = text.endswith(("\n", "\r"))
        self._at = 0
        self._left: deque[str] = deque()

    def place(self) -> str:
        return f"line {max(self._at, 1)}"

    def _word(self, what: str) -> str:
        while not self._left:
            self._left.extend(self._next_line(what).split())
        return self._left.popleft()

    def _next_line(self, what: str) -> str:
        if self._at >= len(self._lines):
            raise self.problem(f"the file ends where {what} should stand")
        self._at += 1
        if self._at == len(self._lines) and not self._whole:
            raise self.problem("the file is truncated: its last line has no end")
        return self._lines[self._at - 1]

    def words(self, count: int, what: str) -> list[str]:
        return [self._word(what) for _ in range(count)]

    def integers(self, count: int, what: str) -> list[int]:
        return [self._convert(int, word, what) for word in self.words(count, what)]

    def numbers(self, count: int, what: str) -> np.ndarray:
        return np.array([self._convert(_real, word, what) for word in self.words(count, what)])

    def _convert(self, convert: Callable[[str], _Number], word: str, what: str) -> _Number:
        try:
            value = convert(word)
        except ValueError:
            raise self.problem(f"{what} should stand where '{word[:40]}' is") from None
        if not math.isfinite(value):
            raise self.problem(f"{what} must be finite, not '{word[:40]}'")
        if abs(value) > BEYOND_SENSE:
            raise self.problem(f"{what} should stand where '{word[:40]}' is, which is beyond any sense")
        return value

    def line(self, width: int, what: str) -> str:
        if self._left:
            raise self.problem(f"'{self._left[0][:40]}' is too much before {what}")
        return self._next_line(what).strip()

    def truth(self, what: str) -> bool:
        word = self._word(what).strip(".").upper()
        if word[:1] not in ("T", "F"):
            raise self.problem(f"{what} should stand where '{word[:40]}' is")
        return word[0] == "T"

    def neighbors(self, n_functions: int, n_elements: int) -> np.ndarray:
        """aenet writes as many numbers a function as there are elements, others two: the count decides."""
        found: list[int] = []
        while self._left or _INTEGER.fullmatch(self._peek()):
            found.append(self._convert(int, self._word("the neighbors"), "the neighbors"))
        each, rest = divmod(len(found) - 1, n_functions)
        if rest or each not in (n_elements, 2):
            what = f"{len(found) - 1} numbers tell the neighbors of {n_functions} functions"
            raise self.problem(f"{what}: wanted {n_elements} or 2 for each")
        rows = np.array(found[:-1]).reshape(n_functions, each)[:, :2]
        return rows if each > 1 else np.hstack([rows, np.ones_like(rows)])

    def _peek(self) -> str:
        words = self._lines[self._at].split() if self._at < len(self._lines) else []
        return words[0] if words else ""

    def check_end(self) -> None:
        if self._left or any(line.strip() for line in self._lines[self._at :]):
            raise self.problem("something stands behind the end")


class _Records(_Source):
    """Records of Fortran, each between two copies of its length."""

    def __init__(self, path: Path, data: bytes) -> None:
        self.path, self._data, self._at, self._count = path, data, 0, 0

    def place(self) -> str:
        return f"record {self._count}"

    def _record(self, sizes: tuple[int, ...], what: str) -> bytes:
        self._count += 1
        start = self._at + 4
        if start > len(self._data):
            raise self.problem(f"the file ends where {what} should stand")
        (size,) = struct.unpack("<i", self._data[self._at : start])
        if size not in sizes:
            wanted = " or ".join(map(str, sizes))
            raise self.problem(
                f"{what} takes {wanted} bytes, not {size}: no file of aenet, or of another machine"
            )
        after = start + size + 4
        if after > len(self._data) or self._data[after - 4 : after] != self._data[self._at : start]:
            raise self.problem(f"{what} is cut")
        self._at = after
        return self._data[start : start + size]

    def integers(self, count: int, what: str) -> list[int]:
        return np.frombuffer(self._record((4 * count,), what), "<i4").tolist()

    def numbers(self, count: int, what: str) -> np.ndarray:
        values = np.frombuffer(self._record((8 * count,), what), "<f8").astype(float)
        if not np.isfinite(values).all():
            raise self.problem(f"{what} must be finite")
        if (np.abs(values) > BEYOND_SENSE).any():
            raise self.problem(f"{what} go up to {np.abs(values).max():g}, beyond any sense")
        return values

    def line(self, width: int, what: str) -> str:
        return self._record((width,), what).decode("latin-1").strip()

    def words(self, count: int, what: str) -> list[str]:
        text = self._record((2 * count,), what).decode("latin-1")
        return [text[2 * k : 2 * k + 2].strip() for k in range(count)]

    def truth(self, what: str) -> bool:
        return self._record((4,), what) != bytes(4)

    def neighbors(self, n_functions: int, n_elements: int) -> np.ndarray:
        rows = np.array(self.integers(2 * n_functions, "the neighbors")).reshape(n_functions, 2)
        self.integers(1, "the number of evaluations")
        return rows

    def check_end(self) -> None:
        if self._at != len(self._data):
            raise self.problem("something stands behind the end")


def _real(word: str) -> float:
    """A number as Fortran writes it, which leaves the E out before three digits."""
    return float(_LEFT_OUT_E.sub(r"E\1", word.replace("D", "E").replace("d", "e")))


def _contents(path: Path, source: _Source) -> AenetFile:
    nodes, activations, weights = _network(source)
    source.line(1024, "the description")
    element = source.line(2, "the element")
    n_elements = source.integer("the number of elements", 1, _MOST_ELEMENTS)
    environment = source.words(n_elements, "the neighbors' elements")
    source.number("the smallest distance")
    source.number("the cutoff")
    basis = source.line(100, "the kind of fingerprint")
    n = source.integer("the number of functions", 1, _MOST_NODES)
    n_parameters = source.integer("the number of parameters", 1, 100)
    kinds = np.array(source.integers(n, "the kinds of functions"))
    parameters = source.numbers(n * n_parameters, "the parameters").reshape(n, n_parameters)
    neighbors = source.neighbors(n, n_elements)
    _, _, mean, square = (source.numbers(n, f"the {word} of the inputs") for word in _STATISTICS)
    source.line(1024, "the name of the training set")
    source.truth("whether energies are scaled")
    scale, shift = source.number("the scale of energies"), source.number("their shift")
    n_types = source.integer("the number of elements", 1, _MOST_ELEMENTS)
    types = source.words(n_types, "the elements of the training set")
    energies = source.numbers(n_types, "the energies of their atoms")
    source.integer("the number of atoms", 0, 2**31)
    source.integer("the number of structures", 0, 2**31)
    source.numbers(3, "the range of energies")
    source.check_end()
    if n != nodes[0]:
        raise PotentialError(f"{n} functions for {nodes[0]} inputs", where=str(path), fix=_AGAIN)
    if scale == 0.0:
        raise PotentialError("the scale of energies is zero", where=str(path), fix=_AGAIN)
    return AenetFile(
        path,
        *(nodes, activations, weights, element, tuple(environment), basis),
        *(kinds, parameters, neighbors, mean, square, scale, shift, tuple(types), energies),
    )


_STATISTICS = ("least", "largest", "mean", "mean square")


def _network(source: _Source) -> tuple[tuple[int, ...], tuple[int, ...], np.ndarray]:
    n_layers = source.integer("the number of layers", 2, _MOST_LAYERS)
    source.integers(1, "the largest layer")
    n_weights = source.integer("the number of weights", 2, 2**31)
    source.integers(1, "the number of values")
    nodes = source.integers(n_layers, "the nodes of the layers")
    activations = source.integers(n_layers - 1, "the activations")
    source.integers(n_layers, "the places of weights")
    source.integers(n_layers, "the places of values")
    if min(nodes) < 1 or max(nodes) > _MOST_NODES or nodes[-1] != 1:
        raise source.problem(f"layers of {', '.join(map(str, nodes))} nodes are no network of aenet")
    wanted = sum((a + 1) * b for a, b in pairwise(nodes))
    if wanted != n_weights:
        raise source.problem(f"the layers have {wanted} weights, the file says {n_weights}")
    return tuple(nodes), tuple(activations), source.numbers(n_weights, "the weights")
