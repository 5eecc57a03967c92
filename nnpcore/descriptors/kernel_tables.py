"""Symmetry functions arranged for the kernels: what can be shared is computed once, the rest lies in lanes of
eight.

Radial functions of one kind with the same neighbor element and cutoff fill *radial blocks*. Angular functions
with the same neighbor elements, cutoff and kind form a *group*. In a group, every function is an angular
factor (ζ, λ) times a radial factor (η): the angular factors fill *angular blocks*, and a *tile* is one block
at one η. A *channel* is one (η, cutoff) of a central element, whose ``exp(-η r²) fc(r)`` is computed once per
neighbor; radial blocks use η = 0.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple, TypeVar

import numpy as np

from nnpcore.descriptors.functions import RADIAL_KINDS, Angular, Radial, SymmetryFunction, SymmetryFunctions

LANES = 8
MOST_BITS = 6
BLOCK_ROWS = 3 + MOST_BITS
RADIAL_ROWS = max(len(kind.parameters) for kind in RADIAL_KINDS)


class KernelTables(NamedTuple):
    """Arrays for :mod:`nnpcore.descriptors.kernels`; ``*_start`` arrays hold ranges per element, group or
    block.

    Integers are int32, reals float64.

    Attributes
    ----------
    radial_index : (n, 5) neighbor species, channel, first column (-1 if columns do not follow each other),
        lanes used, place of the kind in ``RADIAL_KINDS``.
    radial_value : (n * RADIAL_ROWS * 8,) the parameters of each block's kind, a row each.
    channel_value : (n, 2) η, cutoff².
    group_index : (n, 7) species of j, of k, 1 with r_jk or 0, first and last η, first and last block.
    group_cutoff2 : (n,) cutoff².
    eta_channel, eta_value : (n,) channel within its element, η.
    block_bits : (n,) binary digits of the largest ζ - 1; -1 where a ζ is no integer.
    block_value : (n * 9 * 8,) rows λ, ζ, ζλ and the binary digits of ζ - 1.
    tile_index : (n, 3) η within its group, first column or -1, lanes used.
    radial_column, tile_column : (n, 8) column of each lane, -1 if unused.
    most_etas, most_channels : sizes for scratch memory (largest of any group or element).
    n_elements, n_descriptors : as in the symmetry functions.
    angular_cutoff2 : square of the largest cutoff of an angular function.
    """

    radial_start: np.ndarray
    radial_index: np.ndarray
    radial_column: np.ndarray
    radial_value: np.ndarray
    channel_start: np.ndarray
    channel_value: np.ndarray
    group_start: np.ndarray
    group_index: np.ndarray
    group_cutoff2: np.ndarray
    eta_channel: np.ndarray
    eta_value: np.ndarray
    block_bits: np.ndarray
    block_value: np.ndarray
    tile_start: np.ndarray
    tile_index: np.ndarray
    tile_column: np.ndarray
    most_etas: int
    most_channels: int
    n_elements: int
    n_descriptors: int
    angular_cutoff2: float

    def addresses(self) -> KernelAddresses:
        """The same with each array's address in its place; this object must be kept while it is used."""
        return KernelAddresses(*(v.ctypes.data if isinstance(v, np.ndarray) else v for v in self))


KernelAddresses = namedtuple("KernelAddresses", KernelTables._fields)


_T = TypeVar("_T")


class _Builder:
    """Collects the rows of all tables, element by element."""

    def __init__(self, functions: SymmetryFunctions) -> None:
        self.n_descriptors = functions.n_descriptors
        self.species = {element: i for i, element in enumerate(functions.elements)}
        self.radial_start, self.channel_start, self.group_start, self.tile_start = [0], [0], [0], [0]
        self.radial: list[tuple[tuple[int, int, int], list[int], np.ndarray]] = []
        self.channels: list[tuple[float, float]] = []
        self.groups: list[tuple[tuple[int, ...], float]] = []
        self.etas: list[tuple[int, float]] = []
        self.blocks: list[tuple[int, np.ndarray]] = []
        self.tiles: list[tuple[int, list[int]]] = []
        for members in functions.functions.values():
            self._add_element(list(enumerate(members)))

    def _add_element(self, members: list[tuple[int, SymmetryFunction]]) -> None:
        channels: dict[tuple[float, float], int] = {}
        radial: dict[tuple[type, str, float], list[tuple[int, Radial]]] = {}
        groups: dict[tuple[object, ...], list[tuple[int, Angular]]] = {}
        for column, f in members:
            channels.setdefault((f.eta if isinstance(f, Angular) else 0.0, f.cutoff), len(channels))
            if isinstance(f, Radial):
                radial.setdefault((type(f), f.element, f.cutoff), []).append((column, f))
            elif isinstance(f, Angular):
                groups.setdefault((type(f), f.elements, f.cutoff), []).append((column, f))
        for (kind, element, cutoff), chosen in radial.items():
            self._add_radial((self.species[element], channels[0.0, cutoff], RADIAL_KINDS.index(kind)), chosen)
        for group in groups.values():
            self._add_group(group, channels)
        self.channels += [(eta, cutoff * cutoff) for eta, cutoff in channels]
        self.radial_start.append(len(self.radial))
        self.channel_start.append(len(self.channels))
        self.group_start.append(len(self.groups))

    def _add_radial(self, index: tuple[int, int, int], members: list[tuple[int, Radial]]) -> None:
        for chosen in _lanes_of(members):
            value = np.zeros((RADIAL_ROWS, LANES))
            for lane, (_, f) in enumerate(chosen):
                value[: len(f.parameters), lane] = [getattr(f, p.name) for p in f.parameters]
            self.radial.append((index, [column for column, _ in chosen], value))

    def _add_group(
        self, members: list[tuple[int, Angular]], channels: dict[tuple[float, float], int]
    ) -> None:
        first = members[0][1]
        etas = list(dict.fromkeys(f.eta for _, f in members))
        factors = dict.fromkeys((f.zeta, f.lambda_) for _, f in members)
        whole = [factor for factor in factors if is_small_integer(factor[0])]
        broken = [factor for factor in factors if not is_small_integer(factor[0])]
        columns = {(f.eta, f.zeta, f.lambda_): column for column, f in members}
        start = len(self.etas), len(self.blocks)
        self.etas += [(channels[eta, first.cutoff], eta) for eta in etas]
        for chosen in (*_lanes_of(whole), *_lanes_of(broken)):
            self.blocks.append(_block(chosen))
            for e, eta in enumerate(etas):
                tile = [columns.get((eta, *factor), -1) for factor in chosen]
                if max(tile) >= 0:
                    self.tiles.append((e, tile))
            self.tile_start.append(len(self.tiles))
        j, k = (self.species[element] for element in first.elements)
        index = (j, k, int(first.narrow), start[0], len(self.etas), start[1], len(self.blocks))
        self.groups.append((index, first.cutoff**2))

    def tables(self) -> KernelTables:
        """Return everything as arrays."""
        group_index = _integers([index for index, _ in self.groups], 7)
        return KernelTables(
            radial_start=_integers(self.radial_start),
            radial_index=_integers([(*i[:2], _first(c), len(c), i[2]) for i, c, _ in self.radial], 5),
            radial_column=_lanes([columns for _, columns, _ in self.radial]),
            radial_value=_reals([value for *_, value in self.radial]).reshape(-1),
            channel_start=_integers(self.channel_start),
            channel_value=_reals(self.channels).reshape(-1, 2),
            group_start=_integers(self.group_start),
            group_index=group_index,
            group_cutoff2=_reals([cutoff2 for _, cutoff2 in self.groups]),
            eta_channel=_integers([channel for channel, _ in self.etas]),
            eta_value=_reals([eta for _, eta in self.etas]),
            block_bits=_integers([bits for bits, _ in self.blocks]),
            block_value=_reals([value for _, value in self.blocks]).reshape(-1),
            tile_start=_integers(self.tile_start),
            tile_index=_integers([(e, _first(c), len(c)) for e, c in self.tiles], 3),
            tile_column=_lanes([columns for _, columns in self.tiles]),
            most_etas=int((group_index[:, 4] - group_index[:, 3]).max(initial=1)),
            most_channels=int(np.diff(self.channel_start).max(initial=1)),
            n_elements=len(self.species),
            n_descriptors=self.n_descriptors,
            angular_cutoff2=max((cutoff2 for _, cutoff2 in self.groups), default=0.0),
        )


@lru_cache(maxsize=32)
def build_tables(functions: SymmetryFunctions) -> KernelTables:
    """Arrange a set of symmetry functions for the kernels."""
    return _Builder(functions).tables()


def _lanes_of(items: list[_T]) -> Iterator[list[_T]]:
    for i in range(0, len(items), LANES):
        yield items[i : i + LANES]


def _block(factors: list[tuple[float, float]]) -> tuple[int, np.ndarray]:
    """Digits and lanes of one angular block."""
    value = np.zeros((BLOCK_ROWS, LANES))
    bits = -1
    for lane, (zeta, lambda_) in enumerate(factors):
        value[:3, lane] = lambda_, zeta, zeta * lambda_
        if is_small_integer(zeta):
            exponent = int(zeta) - 1
            bits = max(bits, exponent.bit_length(), 0)
            value[3:, lane] = [(exponent >> digit) & 1 for digit in range(MOST_BITS)]
    return bits, value


def is_small_integer(zeta: float) -> bool:
    """Whether powers of ζ - 1 are built by multiplication."""
    return zeta == int(zeta) and 1 <= zeta <= 2**MOST_BITS


def _first(columns: list[int]) -> int:
    """First column if the lanes lie next to each other in the descriptor row, else -1."""
    follows = columns == list(range(columns[0], columns[0] + len(columns)))
    return columns[0] if follows and columns[0] >= 0 else -1


def _lanes(rows: list[list[int]]) -> np.ndarray:
    return _integers([row + [-1] * (LANES - len(row)) for row in rows], LANES)


def _integers(values: object, width: int = 0) -> np.ndarray:
    array = np.array(values, dtype=np.int32)
    return array.reshape(-1, width) if width else array


def _reals(values: object) -> np.ndarray:
    return np.array(values, dtype=np.float64)
