"""Several models side by side, and beside the reference."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from nnpcore.properties.values import Properties, Reference, Value

DIGITS = {"Å": 4, "Å³/atom": 3, "eV/atom": 4, "GPa": 1, "J/m²": 3, "eV": 3, "K": 0}
"""Decimals by unit; two for others."""

NOTHING = "–"

_ARGUMENTS = re.compile(r"(?<=\w)\(\w+=.*[)…]$")
"""Of a calculator's title: "EMT(asap_cutoff=True)"."""


@dataclass(frozen=True)
class Row:
    """One property.

    Attributes
    ----------
    key, title, unit : see :class:`Value`.
    values : of each model, None where it was not studied. reference : None where it is not known.
    """

    key: str
    title: str
    unit: str
    values: tuple[Value | None, ...]
    reference: float | None = None

    @property
    def name(self) -> str:
        """Title with its unit."""
        return f"{self.title}, {self.unit}" if self.unit else self.title

    def text(self, k: int) -> str:
        """Return what the k-th model's cell says: value ± spread, or a dash."""
        value = self.values[k]
        if value is None or value.value is None:
            return NOTHING
        text = number(value.value, self.unit)
        return text if value.spread is None else f"{text} ± {number(value.spread, self.unit)}"

    @property
    def reference_text(self) -> str:
        """What the reference's cell says."""
        return NOTHING if self.reference is None else number(self.reference, self.unit)

    def error(self, k: int) -> float | None:
        """Return by how much the k-th model is off the reference, in the unit; None where that is unknown."""
        value = self.values[k]
        if value is None or value.value is None or self.reference is None:
            return None
        return value.value - self.reference

    def why(self, k: int) -> str:
        """Return why the k-th model has no number, or empty."""
        value = self.values[k]
        return "" if value is None or value.value is not None else value.why


def number(value: float, unit: str) -> str:
    """Return a number with the decimals of its unit."""
    return f"{round(value, digits := DIGITS.get(unit, 2)) + 0.0:.{digits}f}"


def rows_of(models: Sequence[Properties], reference: Reference | None = None) -> list[Row]:
    """Return a row for every property of any of the models, in the order of the first that has it."""
    studied = reference.properties if reference is not None else None
    others = [*models, *([] if studied is None else [studied])]
    known = [_spread_over_rows(_with_differences(model, reference), model, others) for model in models]
    heads: dict[str, Value] = {}
    for values in (*known, {} if studied is None else _known_too(studied, known)):
        for key, value in values.items():  # a part that failed has no unit
            if key not in heads or (heads[key].value is None and value.value is not None):
                heads[key] = value
    given = {} if reference is None else reference.values
    return [
        Row(key, head.title, head.unit, tuple(values.get(key) for values in known), given.get(key))
        for key, head in heads.items()
    ]


def _spread_over_rows(
    values: dict[str, Value], model: Properties, others: Sequence[Properties]
) -> dict[str, Value]:
    """Return the values with those of parts that failed in the rows that other models have for them."""
    found: dict[str, Value] = {}
    for key, value in values.items():
        alike = [other.parts[key].values for other in others if key in model.parts and key in other.parts]
        rows = [v for own in alike for v in own if v.key != key]
        if value.value is None and rows:
            found |= {v.key: replace(v, value=None, spread=None, why=value.why) for v in rows}
        else:
            found[key] = value
    return found


def _known_too(reference: Properties, models: Sequence[dict[str, Value]]) -> dict[str, Value]:
    """Return the reference's properties that any of the models has a row for."""
    return {key: v for key, v in reference.values.items() if any(key in values for values in models)}


def _with_differences(model: Properties, reference: Reference | None) -> dict[str, Value]:
    """Return the values, and how far curves are from the reference's."""
    values = dict(model.values)
    studied = None if reference is None else reference.properties
    if studied is None:
        return values
    mine, other = model.bands, studied.bands
    if mine is not None and other is not None and mine.frequencies.shape == other.frequencies.shape:
        off = float(np.sqrt(np.mean((mine.frequencies - other.frequencies) ** 2)))
        values["phonon_rmse"] = Value("phonon_rmse", "Phonons, off the reference", "THz", off)
    curve, theirs = model.line("rdf"), studied.line("rdf")
    if curve is not None and theirs is not None and curve.x.shape == theirs.x.shape:
        off = float(np.sqrt(np.mean((curve.y - theirs.y) ** 2)))
        values["rdf_rmse"] = Value("rdf_rmse", "g(r), off the reference", "", off)
    return values


def table_of(models: Sequence[Properties], reference: Reference | None = None) -> dict[str, list[object]]:
    """Return all as columns: names, then value, spread and reason of every model, then the reference."""
    rows = rows_of(models, reference)
    columns: dict[str, list[object]] = {
        "property": [row.title for row in rows],
        "key": [row.key for row in rows],
        "unit": [row.unit for row in rows],
    }
    for k, model in enumerate(models):
        values = [row.values[k] for row in rows]
        columns[model.name] = [None if v is None else v.value for v in values]
        columns[f"{model.name}, spread"] = [None if v is None else v.spread for v in values]
        columns[f"{model.name}, note"] = [row.why(k) for row in rows]
    if reference is not None:
        columns[f"reference: {reference.name}"] = [row.reference for row in rows]
    return columns


def unique_names(models: Sequence[Properties]) -> list[Properties]:
    """Return the models with names of which no two are alike; arguments of calculators go where they may."""
    found: list[Properties] = []
    bare = [_ARGUMENTS.sub("", model.name) for model in models]
    for model, short in zip(models, bare, strict=True):
        if bare.count(short) == 1:
            model = model.named(short)
        taken = {other.name for other in found}
        names = (model.name, *(f"{model.name} ({k})" for k in range(2, len(models) + 2)))
        found.append(model.named(next(name for name in names if name not in taken)))
    return found


def left_out(models: Sequence[Properties]) -> list[str]:
    """Return a line for every reason of properties without a number: model, properties, reason."""
    lines = []
    for model in models:
        titles: dict[str, list[str]] = {}
        for value in model.failed:
            titles.setdefault(value.why, []).append(value.title)
        lines += [f"{model.name}, {', '.join(own)}: {why}" for why, own in titles.items()]
    return lines
