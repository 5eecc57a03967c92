"""Settings that are declared once: what a value means, where it may lie, and how everything else shows it.

A field of a :class:`Declared` model carries a :class:`Setting`. Checks and messages, options of the command
line, the window's fields, its sweeps and the guide's table are made of these; a new setting is a new field.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import reduce
from typing import Any, ClassVar, Self, get_args

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from nnpcore.errors import SettingsError

_MOST_SHOWN = 80


@dataclass(frozen=True)
class Shown:
    """How the window shows a setting.

    Attributes
    ----------
    group : the heading it stands under. label, tip : its name and what it does.
    empty : what an empty field means. percent : whether it is typed in per cent.
    """

    group: str
    label: str
    tip: str
    empty: str = ""
    percent: bool = False


@dataclass(frozen=True)
class Option:
    """How the command line takes a setting: help, where ``{default}`` is filled in, and another name."""

    help: str
    flag: str = ""
    metavar: str | None = None


@dataclass(frozen=True)
class Swept:
    """How a setting is swept.

    Attributes
    ----------
    label : as shown, in sentences and under the axis. short : in names of runs.
    values : those a dialog starts with. tip : what it does.
    logarithmic : whether the axis is, with a place for 0.
    """

    label: str
    short: str
    values: str
    tip: str
    logarithmic: bool = True


@dataclass(frozen=True)
class Setting:
    """What a field of settings means and how it is shown.

    Attributes
    ----------
    meaning : in a user's words, for messages and the guide.
    low, high : allowed numbers, both ends included; of a list, for each of its entries.
    unit : of the number.
    choices : value -> text; other values are refused unless ``open``.
    shown, option, swept : in the window, on the command line, in sweeps; None keeps it to files.
    old : names under which older files and command lines know it.
    resumable : whether it may change when a training goes on.
    """

    meaning: str
    low: float = -math.inf
    high: float = math.inf
    unit: str = ""
    choices: Mapping[str, str] = field(default_factory=dict)
    open: bool = False
    shown: Shown | None = None
    option: Option | None = None
    swept: Swept | None = None
    old: tuple[str, ...] = ()
    resumable: bool = False

    def check(self, value: object, where: str) -> None:
        """Raise :class:`SettingsError`, naming ``where``, unless ``value`` is allowed; None always is."""
        if isinstance(value, tuple):
            for entry in value:
                self.check(entry, where)
        elif isinstance(value, str) and self.choices and not self.open and value not in self.choices:
            *most, last = map(repr, self.choices)
            fix = f"Choose {', '.join(most)} or {last}"
            raise SettingsError(f"{value!r} is not a choice here", where=where, fix=fix)
        elif isinstance(value, int | float) and not self.low <= value <= self.high:
            raise SettingsError(
                f"{_short(value)} is not sensible for {self.meaning}",
                where=where,
                fix=f"Choose a value from {self.low:g} to {self.high:,.12g}",
            )


def _short(value: float) -> str:
    """Return a number in a few characters, also one that no float holds."""
    return (
        f"{value:g}"
        if abs(value) < 1e300 or not isinstance(value, int)
        else f"a number of {value.bit_length()} bits"
    )


class Declared(BaseModel):
    """Base of settings: frozen, no unknown names, ranges checked, messages as :class:`SettingsError`.

    ``prefix`` is what messages put before a field's name where the model is part of another.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=True)
    prefix: ClassVar[str] = ""

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise _plain(error, type(self)) from None

    @classmethod
    def model_validate(cls, obj: Any, **options: Any) -> Self:
        """Check ``obj`` as pydantic does, with the error as :class:`SettingsError`."""
        try:
            return super().model_validate(obj, **options)
        except ValidationError as error:
            raise _plain(error, cls) from None

    @model_validator(mode="before")
    @classmethod
    def _rename(cls, values: Any) -> Any:
        """Take old names for new ones."""
        return cls._renamed(values) if isinstance(values, dict) else values

    @classmethod
    def _renamed(cls, values: dict[str, Any]) -> dict[str, Any]:
        """Return values by their new names; SettingsError where an old one is given, too, and disagrees."""
        new = {old: name for name, setting in cls._settings() for old in setting.old}
        given = {name: value for name, value in values.items() if name not in new}
        for name in values.keys() & new.keys():
            if given.setdefault(new[name], values[name]) != values[name]:
                what = f"this is the old name of '{new[name]}', which is given, too, with another value"
                raise SettingsError(what, where=f"{cls.prefix}{name}", fix=f"Give '{new[name]}' alone")
        return given

    @model_validator(mode="after")
    def _check_ranges(self) -> Self:
        for name, setting in self._settings():
            setting.check(getattr(self, name), f"{self.prefix}{name}")
        return self

    @classmethod
    def _settings(cls) -> Iterator[tuple[str, Setting]]:
        for name, info in cls.model_fields.items():
            for setting in info.metadata:
                if isinstance(setting, Setting):
                    yield name, setting

    def replace(self, **changes: Any) -> Self:
        """Return a checked copy with some settings changed; ``"kalman.block_size"`` names one further in."""
        values = self.model_dump()
        for path, value in self._renamed(changes).items():
            *parts, name = path.split(".")
            reduce(lambda part, key: part[key], parts, values)[name] = value
        return type(self)(**values)


def _plain(error: ValidationError, model: type[BaseModel]) -> SettingsError:
    """Turn pydantic's first complaint into one sentence."""
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    where = f"{getattr(model, 'prefix', '')}{where}" if where else model.__name__
    if first["type"] == "extra_forbidden":
        known = ", ".join(sorted(model.model_fields))
        return SettingsError("there is no setting of this name", where=where, fix=f"Known settings: {known}")
    given = repr(first["input"])
    given = given if len(given) <= _MOST_SHOWN else f"{given[:_MOST_SHOWN]}…"
    return SettingsError(
        f"{given} does not fit: {first['msg'][:1].lower()}{first['msg'][1:]}",
        where=where,
        fix="Correct this setting",
    )


@dataclass(frozen=True)
class Declaration:
    """A declared setting with its place in a model.

    Attributes
    ----------
    path : "seed", or "kalman.block_size" where it is further in.
    type : int, float, str or tuple (of whole numbers).
    optional : whether it may be None.
    """

    path: str
    setting: Setting
    type: type
    optional: bool
    default: Any

    @property
    def name(self) -> str:
        """The last part of its path."""
        return self.path.rpartition(".")[2]

    @property
    def flag(self) -> str:
        """Its option on the command line, where it has one."""
        option = self.setting.option
        return (option and option.flag) or f"--{self.name.replace('_', '-')}"

    def read(self, settings: Declared) -> Any:
        """Return the value that ``settings`` have."""
        return reduce(getattr, self.path.split("."), settings)

    def text(self, value: Any, between: str = ", ") -> str:
        """Return a value as it is typed; empty for None."""
        if value is None:
            return ""
        if isinstance(value, tuple):
            return between.join(str(entry) for entry in value)
        return f"{value:g}" if isinstance(value, float) else str(value)

    def parse(self, text: str) -> Any:
        """Return the value of a text; ValueError where it has none."""
        if self.optional and not text:
            return None
        if self.type is str:
            return text
        if self.type is tuple:
            if not _LIST.fullmatch(text):
                raise ValueError(text)
            return tuple(int(part) for part in re.findall(r"\d+", text))
        value = float(text.replace(",", "."))
        if self.type is int:
            if not value.is_integer():
                raise ValueError(text)
            return int(value)
        return value


_LIST = re.compile(r"\s*(\d+(\s*[-,×x\s]\s*\d+)*)?\s*")
"""Whole numbers with blanks, commas or times signs between them; nothing is an empty list."""


def declarations(model: type[Declared], prefix: str = "") -> Iterator[Declaration]:
    """Yield all declared settings of a model and of those further in, in the order of their fields."""
    for name, info in model.model_fields.items():
        kind = info.annotation
        if isinstance(kind, type) and issubclass(kind, Declared):
            yield from declarations(kind, f"{prefix}{name}.")
            continue
        setting = next((entry for entry in info.metadata if isinstance(entry, Setting)), None)
        if setting is None:
            continue
        of = [entry for entry in get_args(kind) if entry in (int, float, str)]
        optional = type(None) in get_args(kind)
        base = of[0] if optional else kind if kind in (int, float, str) else tuple
        assert isinstance(base, type)
        yield Declaration(f"{prefix}{name}", setting, base, optional, info.default)
