"""Symmetry functions arranged for the kernels: what can be shared is computed once, the rest lies in lanes of
eight.

Radial functions with the same neighbor element and cutoff function fill *radial blocks*. Angular functions
with the same neighbor elements, cutoff and kind form a *group*. In a group, every function is an angular
factor (ζ, λ) times a distance factor (η): the angular factors fill *angular blocks*, and a *tile* is one
block at one η. A *channel* is one distance factor h(r) of a central element, computed once per neighbor;
radial blocks use η = 0.

What multiplies distances and angles is declared by :mod:`nnpcore.descriptors.shapes`: "η" above stands for
any distance factor, (ζ, λ) for any factor of the angle.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple, TypeVar

import numpy as np
from ase.data import atomic_numbers

from nnpcore.descriptors.functions import Angular, Radial, SymmetryFunction, SymmetryFunctions
from nnpcore.descriptors.shapes import SHAPES, AngleFactor, DistanceFactor

LANES = 8
MOST_BITS = 6
BLOCK_ROWS = 3 + MOST_BITS
RADIAL_ROWS = 2
FACTOR_NUMBERS = 8
COMPACT_ANGLES = -2
"""In ``block_bits``: the block's factors are compact functions of the angle."""


class KernelTables(NamedTuple):
    """Arrays for :mod:`nnpcore.descriptors.kernels`; ``*_start`` arrays hold ranges per element, group or
    block.

    Integers are int32, reals float64.

    Attributes
    ----------
    radial_index : (n, 5) neighbor species (-1: all), channel, first column (-1 if columns do not follow each
        other), lanes used, 1 where all η of the block are 0.
    radial_value : (n * 2 * 8,) rows η and r_s.
    channel_kind : (n,) 0 for ``exp(-η r²)`` times the cosine cutoff, 1 for others, 2 for weighted ones.
    channel_value : (n * 8,) η, cutoff², r_s, place in ``SHAPES``, center, 1/width, 1 if two-sided, 0.
    element_number : (n_elements,) atomic numbers.
    group_index : (n, 7) species of j, of k (-1: all), 1 with r_jk or 0, first and last η, first and last
        block.
    group_cutoff2 : (n,) cutoff².
    eta_channel, eta_value : (n,) channel within its element, η.
    eta_row : (n,) channel among those of all elements; -1 for η times the cosine cutoff.
    block_bits : (n,) binary digits of the largest ζ - 1; -1 where a ζ is no integer, -2 for compact
        functions.
    block_value : (n * 9 * 8,) rows λ, ζ, ζλ and the binary digits of ζ - 1; or center, 1/width, shape.
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
    channel_kind: np.ndarray
    channel_value: np.ndarray
    element_number: np.ndarray
    group_start: np.ndarray
    group_index: np.ndarray
    group_cutoff2: np.ndarray
    eta_channel: np.ndarray
    eta_value: np.ndarray
    eta_row: np.ndarray
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
        self.species: dict[str | None, int] = {element: i for i, element in enumerate(functions.elements)}
        self.numbers = [atomic_numbers[element] for element in functions.elements]
        self.radial_start, self.channel_start, self.group_start, self.tile_start = [0], [0], [0], [0]
        self.radial: list[tuple[tuple[int, int, int], list[int], np.ndarray]] = []
        self.channels: list[DistanceFactor] = []
        self.groups: list[tuple[tuple[int, ...], float]] = []
        self.etas: list[tuple[int, DistanceFactor, int]] = []
        self.blocks: list[tuple[int, np.ndarray]] = []
        self.tiles: list[tuple[int, list[int]]] = []
        for members in functions.functions.values():
            self._add_element(list(enumerate(members)))

    def _add_element(self, members: list[tuple[int, SymmetryFunction]]) -> None:
        channels: dict[DistanceFactor, int] = {}
        radial: dict[tuple[int, int], list[tuple[int, Radial]]] = {}
        groups: dict[tuple[object, ...], list[tuple[int, Angular]]] = {}
        for column, f in members:
            factor = f.distance_factor
            if isinstance(f, Radial):
                channel = channels.setdefault(factor._replace(eta=0.0, r_s=0.0), len(channels))
                species = -1 if f.weighted else self.species[f.neighbor_elements[0]]
                radial.setdefault((species, channel), []).append((column, f))
            elif isinstance(f, Angular):
                channels.setdefault(factor, len(channels))
                same = f.cutoff, factor.center if not factor.two_sided else None, f.cutoff_function
                groups.setdefault((type(f), f.neighbor_elements, *same), []).append((column, f))
        for index, chosen in radial.items():
            self._add_radial(index, chosen)
        for group in groups.values():
            self._add_group(group, channels)
        self.channels += channels
        self.radial_start.append(len(self.radial))
        self.channel_start.append(len(self.channels))
        self.group_start.append(len(self.groups))

    def _add_radial(self, index: tuple[int, int], members: list[tuple[int, Radial]]) -> None:
        for chosen in _lanes_of(members):
            factors = [f.distance_factor for _, f in chosen]
            value = np.zeros((RADIAL_ROWS, LANES))
            value[:, : len(factors)] = np.array([(factor.eta, factor.r_s) for factor in factors]).T
            flat = int(not any(factor.eta for factor in factors))
            self.radial.append(((*index, flat), [column for column, _ in chosen], value))

    def _add_group(self, members: list[tuple[int, Angular]], channels: dict[DistanceFactor, int]) -> None:
        first, before = members[0][1], len(self.channels)
        etas = list(dict.fromkeys(f.distance_factor for _, f in members))
        factors = dict.fromkeys(f.angle_factor for _, f in members)
        whole = [factor for factor in factors if not factor.shape and is_small_integer(factor.first)]
        broken = [factor for factor in factors if not factor.shape and not is_small_integer(factor.first)]
        compact = [factor for factor in factors if factor.shape]
        columns = {(f.distance_factor, f.angle_factor): column for column, f in members}
        start = len(self.etas), len(self.blocks)
        self.etas += [(channels[eta], eta, -1 if eta.plain else before + channels[eta]) for eta in etas]
        for chosen in (*_lanes_of(whole), *_lanes_of(broken), *_lanes_of(compact)):
            self.blocks.append(_block(chosen))
            for e, eta in enumerate(etas):
                tile = [columns.get((eta, factor), -1) for factor in chosen]
                if max(tile) >= 0:
                    self.tiles.append((e, tile))
            self.tile_start.append(len(self.tiles))
        j, k = (-1, -1) if first.weighted else (self.species[element] for element in first.neighbor_elements)
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
            channel_kind=_integers([0 if c.plain else 2 if c.weighted else 1 for c in self.channels]),
            channel_value=_reals([_factor_numbers(channel) for channel in self.channels]).reshape(-1),
            element_number=_reals(self.numbers),
            group_start=_integers(self.group_start),
            group_index=group_index,
            group_cutoff2=_reals([cutoff2 for _, cutoff2 in self.groups]),
            eta_channel=_integers([channel for channel, *_ in self.etas]),
            eta_value=_reals([factor.eta for _, factor, _ in self.etas]),
            eta_row=_integers([row for *_, row in self.etas]),
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


def _factor_numbers(factor: DistanceFactor) -> tuple[float, ...]:
    """The row of ``channel_value`` of one distance factor."""
    place, side = SHAPES.index(factor.shape), float(factor.two_sided)
    return (factor.eta, factor.cutoff**2, factor.r_s, place, factor.center, 1.0 / factor.width, side, 0.0)


def _block(factors: list[AngleFactor]) -> tuple[int, np.ndarray]:
    """Digits and lanes of one angular block."""
    value = np.zeros((BLOCK_ROWS, LANES))
    bits = -1
    for lane, (first, second, shape) in enumerate(factors):
        if shape:
            bits = COMPACT_ANGLES
            value[:3, lane] = first, 1.0 / second, SHAPES.index(shape)
            continue
        zeta, lambda_ = first, second
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
