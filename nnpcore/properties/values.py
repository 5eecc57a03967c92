"""What came out: a number with its spread, or why there is none; lines to be drawn; all of one model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from nnpcore.errors import AnalysisError
from nnpcore.files import FileFormat, json_value

FILE = "properties.json"
_FORMAT = FileFormat(
    "eatlas-properties",
    1,
    "a file of properties",
    AnalysisError,
    'Write it again by eatlas properties, or give names with numbers, such as {"c11": 151.4}',
)


@dataclass(frozen=True)
class Value:
    """One property.

    Attributes
    ----------
    key : fixed name, such as "c11"; the same for all models and references.
    title, unit : as shown.
    value : in that unit; None where there is none, and ``why`` tells the reason.
    spread : standard deviation over an ensemble's members; None for a single model.
    why : why there is no number, or empty.
    """

    key: str
    title: str
    unit: str
    value: float | None
    spread: float | None = None
    why: str = ""


@dataclass(frozen=True, eq=False)
class Line:
    """Numbers to be drawn: y (n,) over x (n,); ``spread`` (n,) of an ensemble, or None."""

    x: np.ndarray
    y: np.ndarray
    spread: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class Bands:
    """Phonon frequencies along a path through the Brillouin zone.

    Attributes
    ----------
    distances : (n,) 1/Å, along the path. frequencies : (n, n_bands) THz, imaginary ones negative.
    marks : (place along the path, name) of its special points.
    """

    distances: np.ndarray
    frequencies: np.ndarray
    marks: tuple[tuple[float, str], ...]


@dataclass(frozen=True, eq=False)
class Found:
    """What one part of the study has found.

    Attributes
    ----------
    values : its properties. lines : by name. bands : phonons, or None. notes : what has to be known.
    """

    values: tuple[Value, ...]
    lines: Mapping[str, Line] = field(default_factory=dict)
    bands: Bands | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Properties:
    """All that is known of one model.

    Attributes
    ----------
    name : of the model. crystal : which crystal, in words, such as "Si, Fd-3m (227)".
    n_members : of its ensemble. parts : what each part has found, in order, by its name.
    seconds : that it took.
    """

    name: str
    crystal: str
    n_members: int
    parts: Mapping[str, Found]
    seconds: float = 0.0

    @property
    def values(self) -> dict[str, Value]:
        """The properties by key, in order."""
        return {value.key: value for found in self.parts.values() for value in found.values}

    @property
    def notes(self) -> tuple[str, ...]:
        """What has to be known about the numbers."""
        return tuple(note for found in self.parts.values() for note in found.notes)

    @property
    def failed(self) -> tuple[Value, ...]:
        """The properties without a number."""
        return tuple(value for value in self.values.values() if value.value is None)

    def line(self, name: str) -> Line | None:
        """Return a line by its name, None where it is not there."""
        return next((found.lines[name] for found in self.parts.values() if name in found.lines), None)

    @property
    def bands(self) -> Bands | None:
        """Phonons, or None."""
        return next((found.bands for found in self.parts.values() if found.bands is not None), None)

    def to_dict(self) -> dict[str, Any]:
        """Return what JSON can hold."""
        return json_value(asdict(self), digits=8)

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Properties:
        """Read :meth:`to_dict`; KeyError, TypeError or ValueError where it is none."""
        parts = {str(name): _found(part) for name, part in content["parts"].items()}
        name, crystal, seconds = str(content["name"]), str(content["crystal"]), float(content["seconds"])
        return cls(name, crystal, int(content["n_members"]), parts, seconds)

    def named(self, name: str) -> Properties:
        """Return the same under another name."""
        return replace(self, name=name)


def _found(content: Mapping[str, Any]) -> Found:
    values = tuple(Value(**value) for value in content["values"])
    lines = {str(name): Line(**_arrays(line)) for name, line in content["lines"].items()}
    bands = content["bands"]
    known = None
    if bands is not None:
        marks = tuple((float(place), str(name)) for place, name in bands.pop("marks"))
        known = Bands(**_arrays(bands), marks=marks)
    return Found(values, lines, known, tuple(map(str, content["notes"])))


def _arrays(content: Mapping[str, Any]) -> dict[str, Any]:
    return {name: None if v is None else np.array(v, dtype=np.float64) for name, v in content.items()}


@dataclass(frozen=True, eq=False)
class Reference:
    """Numbers to compare with.

    Attributes
    ----------
    name : where they are from. values : by key, as :class:`Value` has them.
    properties : of a model, where it is one that was studied alike; None for bare numbers.
    """

    name: str
    values: Mapping[str, float]
    properties: Properties | None = None

    @classmethod
    def of(cls, properties: Properties) -> Reference:
        """Return a studied model as a reference."""
        known = {key: v.value for key, v in properties.values.items() if v.value is not None}
        return cls(properties.name, known, properties)


def write_properties(path: Path, models: Sequence[Properties], reference: Reference | None) -> None:
    """Write the models, and what they are compared with, into one file; RunFolderError where it cannot be."""
    content: dict[str, Any] = {"models": [model.to_dict() for model in models], "reference": None}
    if reference is not None:
        studied = None if reference.properties is None else reference.properties.to_dict()
        values = json_value(dict(reference.values))
        content["reference"] = {"name": reference.name, "values": values, "properties": studied}
    _FORMAT.write(path, content)


def read_properties(path: Path) -> tuple[list[Properties], Reference | None]:
    """Read what :func:`write_properties` has written, file or folder; AnalysisError for anything else."""
    path = path / FILE if path.is_dir() else path
    with _FORMAT.reading(path) as content:
        models = [Properties.from_dict(model) for model in content["models"]]
        known = content["reference"]
        if known is None:
            return models, None
        studied = known["properties"]
        properties = None if studied is None else Properties.from_dict(studied)
        values = {str(key): float(value) for key, value in known["values"].items()}
        return models, Reference(str(known["name"]), values, properties)


def read_reference(path: Path) -> Reference:
    """Read a reference from a file: one of properties, whose first model counts, or names with numbers.

    Raises
    ------
    AnalysisError : no such file, neither of both, or a value that is no number.
    """
    import json

    from nnpcore.files import read_regular

    path = path / FILE if path.is_dir() else path
    try:
        content = json.loads(read_regular(path))
    except (OSError, ValueError, RecursionError) as error:
        raise AnalysisError(
            f"the reference cannot be read ({error})",
            where=str(path),
            fix='Give a file of properties, or JSON with names and numbers, such as {"c11": 151.4}',
        ) from error
    if isinstance(content, dict) and "format" not in content:
        odd = [k for k, v in content.items() if isinstance(v, bool) or not isinstance(v, int | float)]
        if content and not odd:
            return Reference(path.stem, {key: float(value) for key, value in content.items()})
    models, _ = read_properties(path)
    if not models:
        raise AnalysisError("there is no model in it", where=str(path), fix="Give another file")
    return replace(Reference.of(models[0]), name=f"{models[0].name} ({path.parent.name})")
