"""Symmetry functions as lines of ``input.nn``: which numbers stand where, and how n2p2 sorts them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from nnpcore.descriptors.functions import (
    G2,
    G4,
    G5,
    CompactG2,
    CompactG4,
    CompactG5,
    SymmetryFunction,
    WeightedCompactG2,
    WeightedCompactG4,
    WeightedCompactG5,
    WeightedG2,
    WeightedG4,
)
from nnpcore.descriptors.shapes import CUTOFF_FUNCTIONS, WITHOUT_INNER
from nnpcore.errors import SettingsError
from nnpcore.exchange.foreign_text import ForeignText, Line


class Form(NamedTuple):
    """How a line of one type goes on behind its neighbor elements.

    Attributes
    ----------
    kind : of symmetry function. numbers : fields in the order of the line; the last one may be left out
    where ``shifted``. compact : whether the shape ends the line.
    """

    kind: type[SymmetryFunction]
    numbers: tuple[str, ...]
    shifted: bool = False
    compact: bool = False


_ANGULAR = ("eta", "lambda_", "zeta", "cutoff", "r_s")
_COMPACT_ANGULAR = ("low", "cutoff", "angle_low", "angle_high")

FORMS: dict[int, Form] = {
    2: Form(G2, ("eta", "r_s", "cutoff")),
    3: Form(G4, _ANGULAR, shifted=True),
    9: Form(G5, _ANGULAR, shifted=True),
    12: Form(WeightedG2, ("eta", "r_s", "cutoff")),
    13: Form(WeightedG4, ("eta", "r_s", "lambda_", "zeta", "cutoff")),
    20: Form(CompactG2, ("low", "cutoff"), compact=True),
    21: Form(CompactG4, _COMPACT_ANGULAR, compact=True),
    22: Form(CompactG5, _COMPACT_ANGULAR, compact=True),
    23: Form(WeightedCompactG2, ("low", "cutoff"), compact=True),
    24: Form(WeightedCompactG4, _COMPACT_ANGULAR, compact=True),
    25: Form(WeightedCompactG5, _COMPACT_ANGULAR, compact=True),
}
"""Of each type that n2p2 has and Eatlas computes."""

TYPES: dict[type, int] = {form.kind: number for number, form in FORMS.items()}
"""Number of each kind of symmetry function that n2p2 has, too."""

SUBTYPES = {
    "e": "exponential",
    **{f"p{n}{end}": f"poly{n}{end}" for n in (1, 2, 3, 4) for end in ("", "a")},
}
"""Shape of each subtype of compact functions."""

_WORDS = {"r_s": "rs", "cutoff": "rc", "lambda_": "lambda", "low": "rl"}
_OTHER_TYPES = {1: "a sum of cutoff functions", 4: "a sum of cosines", 8: "shifted angular of RuNNer"}


class CutoffChoice(NamedTuple):
    """The cutoff function of all functions that are not compact, and its inner part of the cutoff."""

    name: str
    inner: float


def cutoff_choice(number: int, inner: float) -> CutoffChoice:
    """Return what ``cutoff_type`` says; n2p2 passes over the inner part of those that have none."""
    name = CUTOFF_FUNCTIONS[number]
    return CutoffChoice(name, 0.0 if name in WITHOUT_INNER else inner)


def read_function(
    text: ForeignText, line: Line, elements: Sequence[str], choice: CutoffChoice
) -> SymmetryFunction:
    """Read ``symfunction_short EC type [E1 [E2]] ...``; PotentialError names the line and what is wrong."""
    number = text.integer(line, 2, "type")
    form = FORMS.get(number)
    if form is None:
        name = _OTHER_TYPES.get(number, "unknown")
        raise text.problem(
            line.number,
            f"symmetry functions of type {number} ({name}) are not to be had",
            f"Eatlas reads types {', '.join(map(str, FORMS))}",
        )
    n_neighbors = form.kind.n_neighbors
    neighbors = [text.word(line, 3 + k, "neighbor element") for k in range(n_neighbors)]
    for symbol in neighbors:
        if symbol not in elements:
            raise text.problem(line.number, f"'{symbol}' is not among the elements")
    first = 3 + n_neighbors
    names = form.numbers
    if form.shifted and len(line.words) < first + len(names):
        names = names[:-1]
    values: dict[str, Any] = {
        name: text.number(line, first + k, _WORDS.get(name, name)) for k, name in enumerate(names)
    }
    end = first + len(names)
    if form.compact:
        values["cutoff_function"] = _subtype(text, line, end)
        end += 1
    else:
        values |= {"cutoff_function": choice.name, "inner_cutoff": choice.inner}
    if len(line.words) > end:
        raise text.problem(line.number, f"'{line.words[end]}' is too much for a function of type {number}")
    if n_neighbors:
        values[form.kind.neighbors_field] = neighbors[0] if n_neighbors == 1 else tuple(neighbors)
    try:
        return form.kind(**values)
    except SettingsError as error:
        raise text.problem(line.number, error.what, error.fix or "Choose another potential") from None


def _subtype(text: ForeignText, line: Line, position: int) -> str:
    word = text.word(line, position, "the shape")
    if word not in SUBTYPES:
        raise text.problem(
            line.number, f"there is no compact function '{word}'", f"Eatlas reads {', '.join(SUBTYPES)}"
        )
    return SUBTYPES[word]


def function_line(element: str, function: SymmetryFunction) -> str:
    """Return the line of one function of an element."""
    number = TYPES[type(function)]
    form = FORMS[number]
    names = form.numbers
    if form.shifted and getattr(function, names[-1]) == 0:
        names = names[:-1]
    words = ["symfunction_short", element, str(number), *function.neighbor_elements]
    words += [repr(float(getattr(function, name))) for name in names]
    if form.compact:
        words.append(_subtype_of(function))
    return " ".join(words)


def _subtype_of(function: SymmetryFunction) -> str:
    return next(short for short, shape in SUBTYPES.items() if shape == function.cutoff_function)


def sort_key(function: SymmetryFunction, elements: Sequence[str]) -> tuple[Any, ...]:
    """Return what n2p2 sorts an element's functions by; ``elements`` are ordered by atomic number."""
    number = TYPES[type(function)]
    own = tuple(getattr(function, parameter.name) for parameter in function.parameters)
    places = tuple(elements.index(e) for e in function.neighbor_elements)
    if FORMS[number].compact:
        return (number, _subtype_of(function), places, function.cutoff, *own)
    return (number, function.cutoff, *own, *places)


def sorted_order(functions: Sequence[SymmetryFunction], elements: Sequence[str]) -> list[int]:
    """Return which function is the first input, the second and so on."""
    return sorted(range(len(functions)), key=lambda k: sort_key(functions[k], elements))
