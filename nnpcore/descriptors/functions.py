"""Symmetry functions as data: which function every central element uses, with checks and presets."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations_with_replacement
from typing import Any, ClassVar, Self

import numpy as np
from ase.data import atomic_numbers, chemical_symbols

from nnpcore.errors import PotentialError, SettingsError

_PRESET_26_RADIAL_ETA = (0.003214, 0.035711, 0.071421, 0.124987, 0.214264, 0.357106, 0.714213, 1.428426)
_PRESET_26_ANGULAR_ETA = (0.000357, 0.028569, 0.089277)
_PRESET_26_ZETA = (1.0, 2.0, 4.0)


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
    positive : whether it must not be zero. choices : the only values, where there are such.
    default : taken where it is left out in a table; None where it must be given.
    """

    name: str
    symbol: str
    length_power: int = 0
    positive: bool = False
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
        if not self.choices and (value < 0 or (self.positive and value == 0)):
            wanted = "positive" if self.positive else "zero or positive"
            raise SettingsError(f"{word} must be {wanted}, not {value!r}", where=where)


CUTOFF = Parameter("cutoff", "Cutoff", 1, positive=True)
_ETA = Parameter("eta", "η", -2)
_R_S = Parameter("r_s", "r_s", 1, default=0.0)
_ZETA = Parameter("zeta", "ζ", positive=True)
_LAMBDA = Parameter("lambda_", "λ", choices=(1.0, -1.0))


class SymmetryFunction:
    """What all kinds of symmetry functions share; a kind declares the rest, and is listed in ``KINDS``.

    Its numbers have the names of its ``parameters`` and ``cutoff`` (Å). What shows, reads, checks or converts
    functions goes by these declarations; formulas are in ``kernels`` and ``torch_backend``.
    """

    parameters: ClassVar[tuple[Parameter, ...]] = ()
    neighbors_field: ClassVar[str]
    n_neighbors: ClassVar[int]
    cutoff: float

    def __post_init__(self) -> None:
        shown = getattr(self, self.neighbors_field)
        where = f"symmetry function {type(self).__name__} {shown if self.n_neighbors > 1 else f'({shown})'}"
        for symbol in self.neighbor_elements:
            _check_element(symbol, where)
        for parameter in (*self.parameters, CUTOFF):
            parameter.check(getattr(self, parameter.name), where)

    @property
    def neighbor_elements(self) -> tuple[str, ...]:
        """Elements of the neighbors it sums over."""
        elements = getattr(self, self.neighbors_field)
        return elements if self.n_neighbors > 1 else (elements,)

    @property
    def values(self) -> dict[str, Any]:
        """Its elements and numbers by the names of its fields."""
        names = (self.neighbors_field, *(parameter.name for parameter in self.parameters), "cutoff")
        return {name: getattr(self, name) for name in names}

    def in_unit(self, length: float) -> Self:
        """Return the same function where one unit of length of this one is ``length`` of the new ones."""
        changed = self.values
        for parameter in (*self.parameters, CUTOFF):
            power = parameter.length_power
            value = changed[parameter.name]
            changed[parameter.name] = value * length**power if power >= 0 else value / length**-power
        return type(self)(**changed)


class Radial(SymmetryFunction):
    """A sum over the neighbors of one element: ``Σ_j u(r_ij) fc(r_ij)``."""

    neighbors_field = "element"
    n_neighbors = 1
    element: str


@dataclass(frozen=True)
class G2(Radial):
    """Radial function ``Σ_j exp(-η (r_ij - r_s)²) fc(r_ij)`` over neighbors of one element.

    ``eta`` in 1/Å², ``r_s`` and ``cutoff`` in Å. Raises :class:`SettingsError` for values out of range.
    """

    parameters = (_ETA, _R_S)
    element: str
    eta: float
    r_s: float
    cutoff: float


@dataclass(frozen=True)
class Angular(SymmetryFunction):
    """A sum over unordered pairs of neighbors of two elements; ``narrow`` where it has factors in r_jk."""

    parameters = (_ETA, _ZETA, _LAMBDA)
    neighbors_field = "elements"
    n_neighbors = 2
    narrow: ClassVar[bool]
    elements: tuple[str, str]
    eta: float
    zeta: float
    lambda_: float
    cutoff: float

    def __post_init__(self) -> None:
        if isinstance(self.elements, str) or len(self.elements) != 2:
            where = f"symmetry function {type(self).__name__} {self.elements}"
            raise SettingsError("an angular function needs two neighbor elements", where=where)
        super().__post_init__()
        object.__setattr__(self, "elements", tuple(sorted(self.elements, key=atomic_numbers.__getitem__)))


@dataclass(frozen=True)
class G4(Angular):
    """Narrow angular function (n2p2 type 3), over unordered pairs of neighbors of two elements.

    ``2^(1-ζ) Σ_{j<k} (1 + λ cosθ_ijk)^ζ exp(-η (r_ij² + r_ik² + r_jk²)) fc(r_ij) fc(r_ik) fc(r_jk)``; ``eta``
    in 1/Å², ``cutoff`` in Å, ``lambda_`` +1 or -1, ``zeta`` > 0. The order of ``elements`` does not matter
    (they are stored by atomic number). Raises :class:`SettingsError` for values out of range.
    """

    narrow = True


@dataclass(frozen=True)
class G5(Angular):
    """Wide angular function (n2p2 type 9): as :class:`G4` without the factors in r_jk.

    ``2^(1-ζ) Σ_{j<k} (1 + λ cosθ_ijk)^ζ exp(-η (r_ij² + r_ik²)) fc(r_ij) fc(r_ik)``.
    """

    narrow = False


KINDS: dict[str, type[SymmetryFunction]] = {kind.__name__: kind for kind in (G2, G4, G5)}
"""All kinds of symmetry functions, by name."""

KIND_NAMES = " or ".join([", ".join([*KINDS][:-1]), [*KINDS][-1]])
"""The names of all kinds, "G2, G4 or G5"."""

KINDS_TEXT = (
    "G2: radial, one neighbor element, η and r_s.   G4, G5: angular (with and without r_jk), two neighbor "
    "elements, η, ζ and λ = ±1."
)
"""What the kinds are, in a line for a person who writes a table of them."""

RADIAL_KINDS: tuple[type[SymmetryFunction], ...] = tuple(k for k in KINDS.values() if issubclass(k, Radial))
"""The radial kinds; the compiled kernels know each by its place here."""


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

        Raises :class:`PotentialError` naming an element that has no functions; ``where`` goes into the
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
            raise PotentialError(
                f"the structure contains {symbol}, but the symmetry functions know only {known_text}",
                where=where,
                fix=f"Add symmetry functions for {symbol} or remove these atoms",
            )
        return index.astype(np.int32)

    @classmethod
    def preset(cls, name: str, elements: Sequence[str], cutoff: float = 6.0) -> SymmetryFunctions:
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
        fields = ", ".join((kind.neighbors_field, *(p.name for p in kind.parameters), "cutoff"))
        raise SettingsError(f"{kind.__name__} needs exactly {fields}", where=where) from error
