"""Symmetry functions as data: which function every central element uses, with checks and presets."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from functools import cached_property
from itertools import combinations_with_replacement
from typing import Any, ClassVar, Self, cast

import numpy as np
from ase.data import atomic_numbers, chemical_symbols

from nnpcore.descriptors.shapes import (
    COMPACT_SHAPES,
    CUTOFF_FUNCTIONS,
    MOST_CHEBYSHEV,
    WITHOUT_INNER,
    AngleFactor,
    DistanceFactor,
)
from nnpcore.errors import SettingsError, UnknownElementError

_PRESET_26_RADIAL_ETA = (0.003214, 0.035711, 0.071421, 0.124987, 0.214264, 0.357106, 0.714213, 1.428426)
_PRESET_26_ANGULAR_ETA = (0.000357, 0.028569, 0.089277)
_PRESET_26_ZETA = (1.0, 2.0, 4.0)
USUAL_CUTOFF = 6.0
"""Å, of a preset where none is given."""


def _check_element(symbol: object, where: str) -> None:
    if not isinstance(symbol, str) or symbol not in chemical_symbols[1:]:
        raise SettingsError(
            f"{symbol!r} is not a chemical element", where=where, fix="Use symbols such as Si"
        )


@dataclass(frozen=True)
class Parameter:
    """A number of a symmetry function.

    Attributes
    ----------
    name : of the field. symbol : what formulas call it.
    length_power : power of the length in its unit, 1 for Å and -2 for 1/Å².
    positive : whether it must not be zero. signed : whether it may be negative.
    choices : the only values, where there are such.
    default : taken where it is left out in a table; None where it must be given.
    """

    name: str
    symbol: str
    length_power: int = 0
    positive: bool = False
    signed: bool = False
    choices: tuple[float, ...] = ()
    default: float | None = None

    @property
    def title(self) -> str:
        """Symbol and unit, such as "η (1/Å²)"."""
        unit = {0: "", 1: " (Å)", -1: " (1/Å)", -2: " (1/Å²)"}[self.length_power]
        return f"{self.symbol}{unit}"

    def check(self, value: object, where: str) -> None:
        """Raise :class:`SettingsError` for a value that is none or out of range."""
        word = self.name.rstrip("_")
        if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)):
            raise SettingsError(f"{word} must be a finite number, not {value!r}", where=where)
        if not math.isfinite(value):
            raise SettingsError(f"{word} must be a finite number, not {value!r}", where=where)
        if self.choices and value not in self.choices:
            allowed = " or ".join(f"{choice:+g}" for choice in self.choices)
            raise SettingsError(f"{word} must be {allowed}, not {value!r}", where=where)
        if not self.choices and not self.signed and (value < 0 or (self.positive and value == 0)):
            wanted = "positive" if self.positive else "zero or positive"
            raise SettingsError(f"{word} must be {wanted}, not {value!r}", where=where)


CUTOFF = Parameter("cutoff", "Cutoff", 1, positive=True)
_ETA = Parameter("eta", "η", -2)
_R_S = Parameter("r_s", "r_s", 1, default=0.0)
_ZETA = Parameter("zeta", "ζ", positive=True)
_LAMBDA = Parameter("lambda_", "λ", choices=(1.0, -1.0))
_LOW = Parameter("low", "r_low", 1, signed=True)
_ANGLE_LOW = Parameter("angle_low", "θ_low (°)", signed=True)
_ANGLE_HIGH = Parameter("angle_high", "θ_high (°)", signed=True)
_ORDER = Parameter("order", "n")


class SymmetryFunction:
    """What all kinds of symmetry functions share; a kind declares the rest, and is listed in ``KINDS``.

    Its numbers have the names of its ``parameters`` and ``cutoff`` (Å); ``cutoff_function`` is the shape by
    which it falls to zero at the cutoff. What shows, reads, checks or converts functions goes by these
    declarations; kernels compute it from its ``distance_factor`` and, if angular, its ``angle_factor``.
    """

    parameters: ClassVar[tuple[Parameter, ...]] = ()
    neighbors_field: ClassVar[str] = ""
    n_neighbors: ClassVar[int] = 0
    shapes: ClassVar[tuple[str, ...]] = CUTOFF_FUNCTIONS
    cutoff: float
    cutoff_function: str

    def __post_init__(self) -> None:
        shown = " ".join(self.neighbor_elements) or "of all neighbors"
        where = f"symmetry function {type(self).__name__} ({shown})"
        for symbol in self.neighbor_elements:
            _check_element(symbol, where)
        for parameter in (*self.parameters, CUTOFF):
            parameter.check(getattr(self, parameter.name), where)
        if self.cutoff_function not in self.shapes:
            what = f"there is no cutoff function {self.cutoff_function!r}"
            raise SettingsError(what, where=where, fix=f"Use {', '.join(self.shapes)}")
        self._check_values(where)

    def _check_values(self, where: str) -> None:
        """Raise :class:`SettingsError` for numbers that contradict each other."""

    @property
    def weighted(self) -> bool:
        """Whether it sums over the neighbors of all elements, by atomic number."""
        return self.n_neighbors == 0

    @property
    def distance_factor(self) -> DistanceFactor:
        """What it multiplies for every distance."""
        raise NotImplementedError

    @property
    def neighbor_elements(self) -> tuple[str, ...]:
        """Elements of the neighbors it sums over; none where it sums over all."""
        if not self.neighbors_field:
            return ()
        elements = getattr(self, self.neighbors_field)
        return elements if self.n_neighbors > 1 else (elements,)

    @property
    def values(self) -> dict[str, Any]:
        """Its elements and numbers by the names of its fields, but those that have their usual value."""
        own = {field.name: (getattr(self, field.name), field.default) for field in fields(cast("Any", self))}
        return {name: value for name, (value, usual) in own.items() if usual is MISSING or value != usual}

    def in_unit(self, length: float) -> Self:
        """Return the same function where one unit of length of this one is ``length`` of the new ones."""
        changed = self.values
        for parameter in (*self.parameters, CUTOFF):
            power = parameter.length_power
            value = getattr(self, parameter.name)
            changed[parameter.name] = value * length**power if power >= 0 else value / length**-power
        return type(self)(**changed)


class _Gaussian(SymmetryFunction):
    """A Gaussian of the distances times a cutoff function, which may begin at an inner cutoff."""

    eta: float
    r_s: float
    inner_cutoff: float

    def _check_values(self, where: str) -> None:
        if not 0 <= self.inner_cutoff < 1:
            what = f"the inner cutoff is a part of the cutoff from 0 to below 1, not {self.inner_cutoff!r}"
            raise SettingsError(what, where=where)
        if self.inner_cutoff and self.cutoff_function in WITHOUT_INNER:
            what = f"the cutoff function {self.cutoff_function} has no inner cutoff"
            raise SettingsError(what, where=where, fix="Set inner_cutoff to 0")

    @property
    def distance_factor(self) -> DistanceFactor:
        inner = self.inner_cutoff * self.cutoff
        shape, width = self.cutoff_function, self.cutoff - inner
        return DistanceFactor(self.eta, self.r_s, shape, inner, width, False, self.cutoff, self.weighted)


class _Compact(SymmetryFunction):
    """A hump from ``low`` to ``cutoff``, highest midway; with low = -cutoff it falls from 1 at r = 0."""

    shapes = COMPACT_SHAPES
    low: float

    def _check_values(self, where: str) -> None:
        if not self.low < self.cutoff:
            raise SettingsError(f"low must be below the cutoff, not {self.low!r}", where=where)

    @property
    def distance_factor(self) -> DistanceFactor:
        center, width = 0.5 * (self.cutoff + self.low), 0.5 * (self.cutoff - self.low)
        shape = self.cutoff_function
        return DistanceFactor(0.0, 0.0, shape, center, width, True, self.cutoff, self.weighted)


class _Chebyshev(SymmetryFunction):
    """A polynomial of Chebyshev times the cosine cutoff."""

    parameters = (_ORDER,)
    shapes = ("cosine",)
    order: int

    def _check_values(self, where: str) -> None:
        if self.order != int(self.order) or self.order > MOST_CHEBYSHEV:
            what = f"the order is a whole number from 0 to {MOST_CHEBYSHEV}, not {self.order!r}"
            raise SettingsError(what, where=where)


class Radial(SymmetryFunction):
    """A sum over neighbors: ``Σ_j h(r_ij)``, of one element or, weighted, ``Σ_j Z_j h(r_ij)`` of all."""


class Angular(SymmetryFunction):
    """A sum over unordered pairs of neighbors, ``Σ_{j<k} u(θ_ijk) h(r_ij) h(r_ik)``, of two elements or,
    weighted by Z_j Z_k, of all; times h(r_jk) where ``narrow``."""

    narrow: ClassVar[bool]

    @property
    def angle_factor(self) -> AngleFactor:
        """What it multiplies for every angle."""
        raise NotImplementedError


class _OfElement(SymmetryFunction):
    neighbors_field = "element"
    n_neighbors = 1


class _OfElements(SymmetryFunction):
    neighbors_field = "elements"
    n_neighbors = 2
    elements: tuple[str, str]

    def __post_init__(self) -> None:
        if isinstance(self.elements, str) or len(self.elements) != 2:
            where = f"symmetry function {type(self).__name__} {self.elements}"
            raise SettingsError("an angular function needs two neighbor elements", where=where)
        super().__post_init__()
        object.__setattr__(self, "elements", tuple(sorted(self.elements, key=atomic_numbers.__getitem__)))


class _PowerOfAngle(Angular, _Gaussian):
    parameters = (_ETA, _R_S, _ZETA, _LAMBDA)
    zeta: float
    lambda_: float

    @property
    def angle_factor(self) -> AngleFactor:
        return AngleFactor(self.zeta, self.lambda_)


class _CompactAngle(Angular, _Compact):
    parameters = (_LOW, _ANGLE_LOW, _ANGLE_HIGH)
    angle_low: float
    angle_high: float

    def _check_values(self, where: str) -> None:
        super()._check_values(where)
        low, high = self.angle_low, self.angle_high
        if not (0 <= low < high <= 180 or -low == high > 0 or (low + high == 360 and low < 180)):
            what = (
                f"angles from {low:g} to {high:g} degrees are neither within 0 and 180 nor around one of them"
            )
            raise SettingsError(what, where=where)
        if high - low > 360:
            raise SettingsError("the angles spread over more than 360 degrees", where=where)

    @property
    def angle_factor(self) -> AngleFactor:
        low, high = math.radians(self.angle_low), math.radians(self.angle_high)
        shape = self.cutoff_function.removesuffix("a")  # asymmetric in distances only, as n2p2 has it
        return AngleFactor(0.5 * (low + high), 0.5 * (high - low), shape)


@dataclass(frozen=True)
class G2(_OfElement, Radial, _Gaussian):
    """Radial function ``Σ_j exp(-η (r_ij - r_s)²) fc(r_ij)`` over neighbors of one element.

    ``eta`` in 1/Å², ``r_s`` and ``cutoff`` in Å; ``cutoff_function`` of ``CUTOFF_FUNCTIONS``, which is 1 up
    to ``inner_cutoff`` times the cutoff. Raises :class:`SettingsError` for values out of range.
    """

    parameters = (_ETA, _R_S)
    element: str
    eta: float
    r_s: float
    cutoff: float
    cutoff_function: str = "cosine"
    inner_cutoff: float = 0.0


@dataclass(frozen=True)
class _G4(_OfElements, _PowerOfAngle):
    elements: tuple[str, str]
    eta: float
    zeta: float
    lambda_: float
    cutoff: float
    r_s: float = 0.0
    cutoff_function: str = "cosine"
    inner_cutoff: float = 0.0


@dataclass(frozen=True)
class G4(_G4):
    """Narrow angular function (n2p2 type 3), over unordered pairs of neighbors of two elements.

    ``2^(1-ζ) Σ_{j<k} (1 + λ cosθ_ijk)^ζ h(r_ij) h(r_ik) h(r_jk)`` with ``h(r) = exp(-η (r - r_s)²) fc(r)``;
    ``eta`` in 1/Å², ``r_s`` and ``cutoff`` in Å, ``lambda_`` +1 or -1, ``zeta`` > 0; cutoff function as in
    :class:`G2`. The order of ``elements`` does not matter (they are stored by atomic number). Raises
    :class:`SettingsError` for values out of range.
    """

    narrow = True


@dataclass(frozen=True)
class G5(_G4):
    """Wide angular function (n2p2 type 9): as :class:`G4` without the factor in r_jk."""

    narrow = False


@dataclass(frozen=True)
class WeightedG2(Radial, _Gaussian):
    """As :class:`G2` over the neighbors of all elements, times Z_j (n2p2 type 12)."""

    parameters = (_ETA, _R_S)
    eta: float
    r_s: float
    cutoff: float
    cutoff_function: str = "cosine"
    inner_cutoff: float = 0.0


@dataclass(frozen=True)
class WeightedG4(_PowerOfAngle):
    """As :class:`G4` over pairs of neighbors of all elements, times Z_j Z_k (n2p2 type 13)."""

    narrow = True
    eta: float
    zeta: float
    lambda_: float
    cutoff: float
    r_s: float = 0.0
    cutoff_function: str = "cosine"
    inner_cutoff: float = 0.0


@dataclass(frozen=True)
class CompactG2(_OfElement, Radial, _Compact):
    """Compact radial function (n2p2 type 20): a hump of the shape ``cutoff_function`` from low to cutoff."""

    parameters = (_LOW,)
    element: str
    low: float
    cutoff: float
    cutoff_function: str = "poly2"


@dataclass(frozen=True)
class _CompactG4(_OfElements, _CompactAngle):
    elements: tuple[str, str]
    low: float
    cutoff: float
    angle_low: float
    angle_high: float
    cutoff_function: str = "poly2"


@dataclass(frozen=True)
class CompactG4(_CompactG4):
    """Compact narrow angular function (n2p2 type 21): humps in r_ij, r_ik, r_jk and in the angle."""

    narrow = True


@dataclass(frozen=True)
class CompactG5(_CompactG4):
    """Compact wide angular function (n2p2 type 22): as :class:`CompactG4` without r_jk."""

    narrow = False


@dataclass(frozen=True)
class WeightedCompactG2(Radial, _Compact):
    """As :class:`CompactG2` over all neighbors, times Z_j (n2p2 type 23)."""

    parameters = (_LOW,)
    low: float
    cutoff: float
    cutoff_function: str = "poly2"


@dataclass(frozen=True)
class _WeightedCompactG4(_CompactAngle):
    low: float
    cutoff: float
    angle_low: float
    angle_high: float
    cutoff_function: str = "poly2"


@dataclass(frozen=True)
class WeightedCompactG4(_WeightedCompactG4):
    """As :class:`CompactG4` over all pairs of neighbors, times Z_j Z_k (n2p2 type 24)."""

    narrow = True


@dataclass(frozen=True)
class WeightedCompactG5(_WeightedCompactG4):
    """As :class:`CompactG5` over all pairs of neighbors, times Z_j Z_k (n2p2 type 25)."""

    narrow = False


@dataclass(frozen=True)
class ChebyshevG2(_OfElement, Radial, _Chebyshev):
    """Radial function ``Σ_j T_n(2 r_ij/r_c - 1) fc(r_ij)`` over neighbors of one element.

    T_n is Chebyshev's polynomial of this ``order``, fc the cosine cutoff. Sums of them are aenet's
    fingerprints: N. Artrith, A. Urban and G. Ceder, Phys. Rev. B 96, 014112 (2017).
    """

    element: str
    order: int
    cutoff: float
    cutoff_function: str = "cosine"

    @property
    def distance_factor(self) -> DistanceFactor:
        """The polynomial times the cutoff."""
        return DistanceFactor(0.0, 0.0, f"chebyshev{int(self.order)}", 0.0, self.cutoff, False, self.cutoff)


@dataclass(frozen=True)
class ChebyshevG5(_OfElements, Angular, _Chebyshev):
    """Wide angular function ``Σ_{j<k} T_n(cosθ_ijk) fc(r_ij) fc(r_ik)``; see :class:`ChebyshevG2`."""

    narrow = False
    elements: tuple[str, str]
    order: int
    cutoff: float
    cutoff_function: str = "cosine"

    @property
    def distance_factor(self) -> DistanceFactor:
        """The cutoff alone."""
        return DistanceFactor(0.0, 0.0, "cosine", 0.0, self.cutoff, False, self.cutoff)

    @property
    def angle_factor(self) -> AngleFactor:
        """The polynomial of the cosine."""
        return AngleFactor(0.0, 2.0 * math.pi, f"wave{int(self.order)}")


KINDS: dict[str, type[SymmetryFunction]] = {
    kind.__name__: kind
    for kind in (
        G2,
        G4,
        G5,
        WeightedG2,
        WeightedG4,
        CompactG2,
        CompactG4,
        CompactG5,
        WeightedCompactG2,
        WeightedCompactG4,
        WeightedCompactG5,
        ChebyshevG2,
        ChebyshevG5,
    )
}
"""All kinds of symmetry functions, by name."""

KIND_NAMES = " or ".join([", ".join([*KINDS][:-1]), [*KINDS][-1]])
"""The names of all kinds, "G2, G4 or G5"."""

KINDS_TEXT = (
    "G2: radial, one neighbor element, η and r_s.   G4, G5: angular (with and without r_jk), two neighbor "
    "elements, η, ζ and λ = ±1.   Behind the cutoff may stand its function and inner part, as in 6 poly2 0.2."
)
"""What the kinds are, in a line for a person who writes a table of them."""


def all_parameters() -> tuple[Parameter, ...]:
    """Return the parameters of all kinds, each once, the cutoff last."""
    return (*dict.fromkeys(parameter for kind in KINDS.values() for parameter in kind.parameters), CUTOFF)


@dataclass(frozen=True)
class SymmetryFunctions:
    """The symmetry functions of every central element.

    Attributes
    ----------
    functions : for each central element its functions, in the order of the descriptor columns; elements
        with fewer functions than the largest list are padded with zeros. Keys are sorted by atomic number.

    Raises :class:`SettingsError` if nothing is defined, a function is listed twice or a function mentions an
    element that has no entry of its own.
    """

    functions: dict[str, tuple[SymmetryFunction, ...]]

    def __post_init__(self) -> None:
        for element in self.functions:
            _check_element(element, "symmetry functions")
        ordered = sorted(self.functions, key=atomic_numbers.__getitem__)
        functions = {element: tuple(self.functions[element]) for element in ordered}
        object.__setattr__(self, "functions", functions)
        if not any(functions.values()):
            raise SettingsError("no symmetry function is defined", fix="Choose a preset or add functions")
        for element, members in functions.items():
            self._check_members(element, members)

    def _check_members(self, element: str, members: tuple[SymmetryFunction, ...]) -> None:
        where = f"symmetry functions of {element}"
        seen: set[SymmetryFunction] = set()
        for function in members:
            if not isinstance(function, SymmetryFunction):
                raise SettingsError(f"{function!r} is not a symmetry function", where=where)
            if function in seen:
                raise SettingsError(f"{function} is listed twice", where=where, fix="Remove one of them")
            seen.add(function)
            for neighbor in function.neighbor_elements:
                if neighbor not in self.functions:
                    raise SettingsError(
                        f"a function mentions {neighbor}, which has no functions of its own",
                        where=where,
                        fix=f"Add functions for {neighbor} or remove this one",
                    )

    def __hash__(self) -> int:
        return hash(tuple(self.functions.items()))

    @property
    def elements(self) -> tuple[str, ...]:
        """Central elements, by atomic number."""
        return tuple(self.functions)

    @cached_property
    def cutoff(self) -> float:
        """The largest cutoff of all functions, Å."""
        return max(f.cutoff for members in self.functions.values() for f in members)

    @cached_property
    def n_descriptors(self) -> int:
        """Length of a descriptor row: the largest number of functions of an element."""
        return max(len(members) for members in self.functions.values())

    def count(self, element: str) -> int:
        """Number of functions of a central element."""
        return len(self.functions[element])

    def species_index(self, numbers: np.ndarray, *, where: str = "") -> np.ndarray:
        """Index into :attr:`elements` of each atomic number, (n,) int32.

        Raises :class:`UnknownElementError` naming an element that has no functions; ``where`` goes into the
        message.
        """
        numbers = np.asarray(numbers, dtype=np.int64)
        known = np.array([atomic_numbers[e] for e in self.elements], dtype=np.int64)
        index = np.searchsorted(known, numbers)
        index[index == len(known)] = 0
        unknown = np.flatnonzero(known[index] != numbers)
        if len(unknown):
            number = int(numbers[unknown[0]])
            known_number = 0 < number < len(chemical_symbols)
            symbol = chemical_symbols[number] if known_number else f"atomic number {number}"
            known_text = ", ".join(self.elements)
            raise UnknownElementError(
                f"the structure contains {symbol}, but the symmetry functions know only {known_text}",
                where=where,
                fix=f"Take structures without {symbol}, or train with functions for it",
            )
        return index.astype(np.int32)

    @classmethod
    def preset(cls, name: str, elements: Sequence[str], cutoff: float = USUAL_CUTOFF) -> SymmetryFunctions:
        """Build a named set for the given elements.

        ``"26"``: 8 G2 per neighbor element and 18 G4 (3 η, 3 ζ, 2 λ) per pair of neighbor elements, the
        paper's set for a unary solid. Raises :class:`SettingsError` for an unknown name or no elements.
        """
        if name != "26":
            raise SettingsError(f"there is no symmetry-function preset {name!r}", fix="Use preset 26")
        if not elements:
            raise SettingsError("no elements were given for the symmetry functions")
        for element in elements:
            _check_element(element, "symmetry functions")
        ordered = sorted(set(elements), key=atomic_numbers.__getitem__)
        members: list[SymmetryFunction] = [
            G2(element, eta, 0.0, cutoff) for element in ordered for eta in _PRESET_26_RADIAL_ETA
        ]
        members += [
            G4(pair, eta, zeta, lambda_, cutoff)
            for pair in combinations_with_replacement(ordered, 2)
            for eta in _PRESET_26_ANGULAR_ETA
            for zeta in _PRESET_26_ZETA
            for lambda_ in reversed(_LAMBDA.choices)
        ]
        return cls({element: tuple(members) for element in ordered})

    def to_dict(self) -> dict[str, list[dict[str, Any]]]:
        """Plain data for JSON or TOML: per central element a list of functions with their parameters."""
        return {
            element: [{"type": type(f).__name__, **f.values} for f in members]
            for element, members in self.functions.items()
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> SymmetryFunctions:
        """Rebuild from :meth:`to_dict`; raises :class:`SettingsError` naming the bad entry."""
        functions: dict[str, tuple[SymmetryFunction, ...]] = {}
        for element, entries in data.items():
            if not isinstance(entries, (list, tuple)):
                where = f"symmetry functions of {element}"
                raise SettingsError(f"expected a list of functions, got {entries!r}", where=where)
            members = (_function_from_dict(element, i, entry) for i, entry in enumerate(entries))
            functions[element] = tuple(members)
        return cls(functions)


def _function_from_dict(element: str, index: int, entry: Any) -> SymmetryFunction:
    where = f"symmetry functions of {element}, entry {index + 1}"
    if not isinstance(entry, Mapping):
        raise SettingsError(f"expected a table with a type, got {entry!r}", where=where)
    values = dict(entry)
    kind = KINDS.get(str(values.pop("type", None)))
    if kind is None:
        raise SettingsError(f"unknown type {entry.get('type')!r}", where=where, fix=f"Use {KIND_NAMES}")
    if isinstance(values.get("elements"), list):
        values["elements"] = tuple(values["elements"])
    try:
        return kind(**values)
    except TypeError as error:
        names = ", ".join(field.name for field in fields(cast("Any", kind)) if field.default is MISSING)
        optional = ", ".join(f.name for f in fields(cast("Any", kind)) if f.default is not MISSING)
        what = f"{kind.__name__} needs exactly {names}, and may have {optional}"
        raise SettingsError(what, where=where) from error
