"""The comment line of extended XYZ: ``key=value`` pairs as ASE, QUIP, GPUMD and people write them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import numpy as np

from nnpcore.structures.labels.stress_kinds import as_tensor
from nnpcore.structures.labels.units_in_file import unit_behind
from nnpcore.structures.problems import FrameSyntaxError

_KEY = re.compile(r'\s*([^\s="]+)(\s*=)?')
_WORD = re.compile(r"\S+")
_CLOSING = {"{": "}", "[": "]"}
_ESCAPED = re.compile(r"\\(.)")
_LARGEST = 2**63 - 1
_MAX_SHOWN = 60

_USUAL = {"lattice": "Lattice", "properties": "Properties", "pbc": "pbc"}
"""Names that count in any case: GPUMD writes ``lattice`` and ``properties``."""

_TEXTS = ("Properties", "uid")
_ONCE = {"Lattice", "Properties", "pbc", "energy", "free_energy", "stress", "virial"}
_BOOLS = {
    name: value
    for value in (True, False)
    for name in (str(value)[0], str(value), str(value).lower(), str(value).upper())
}
_PERIODIC = frozenset(("t", "true", ".true.", "p", "pp", "1", "yes", "on", "y"))
_APERIODIC = frozenset(
    (
        "f",
        "false",
        ".false.",
        "0",
        "no",
        "off",
        "n",
        "none",
        "s",
        "m",
        "ff",
        "ss",
        "mm",
        "fs",
        "sf",
        "fm",
        "mf",
    )
)
"""Words for one direction, those of LAMMPS' ``boundary`` among them."""


def quote(text: str) -> str:
    """Return a text in quotation marks, shortened where it is long."""
    text = text.strip()
    return repr(text if len(text) <= _MAX_SHOWN else text[: _MAX_SHOWN - 1] + "…")


def parse_comment(comment: str) -> dict[str, Any]:
    """Parse the key=value pairs of a comment line; a line without any is kept under ``comment``.

    ``Lattice``, ``stress`` and ``virial`` become (3, 3) arrays, ``pbc`` (3,) of bool, other values what they
    look like: numbers, arrays of numbers, booleans, or text.

    Raises
    ------
    FrameSyntaxError
        Where a value that matters cannot be understood, or is given twice and differs.
    """
    if "=" not in comment:
        return {"comment": comment} if comment else {}
    info: dict[str, Any] = {}
    texts: dict[str, str | None] = {}
    pairs = list(_pairs(comment))
    given = {name for name, _ in pairs}
    for k, (name, text) in enumerate(pairs):
        if text is None and k and (unit := unit_behind(pairs[k - 1][0], name)):
            info[unit] = name
            continue
        usual = _USUAL.get(name.lower(), name)
        meant = usual not in given and (name.lower() != "lattice" or len((text or "").split()) == 9)
        key = usual if meant else name
        if key in _ONCE and texts.get(key, text) != text:
            raise FrameSyntaxError(f"{key} is given twice, and differs")
        texts[key] = text
        info[key] = _value(key, text)
    return info


def _pairs(comment: str) -> Iterator[tuple[str, str | None]]:
    """Yield names with the text behind "=", None where there is no "="."""
    at = 0
    while match := _KEY.match(comment, at):
        key, at = match.group(1), match.end()
        if not match.group(2):
            yield key, None
            continue
        text, at = _text_at(comment, at)
        if key.lower() == "pbc" and " " not in text:
            more = re.match(r"((\s+\S{1,7}){2})(?=\s|$)", comment[at:])  # pbc=T T F, without quotation marks
            if more and "=" not in more.group(1):
                text, at = text + more.group(1), at + more.end()
        yield key, text
    if comment[at:].strip():
        raise FrameSyntaxError(f"its comment line cannot be understood from {quote(comment[at:])} on")


def _text_at(comment: str, at: int) -> tuple[str, int]:
    """Return the value that begins at a place behind "=", and where it ends.

    Behind "= " may stand a value or the next name: ``energy = -1.5`` but ``config_type= pbc="T T T"``.
    """
    start = at + len(comment[at:]) - len(comment[at:].lstrip())
    if start > at and re.match(r'[^\s="]+\s*=', comment[start:]):
        return "", at
    mark = comment[start : start + 1]
    if mark == '"' or (mark == "'" and re.search(r"'(\s|$)", comment[start + 1 :])):
        return _quoted(comment, start)
    if mark in _CLOSING:
        end = _closing_at(comment, start)
        if end:
            return comment[start:end], end
    word = _WORD.match(comment, start)
    return (word.group(0), word.end()) if word else ("", start)


def _quoted(comment: str, start: int) -> tuple[str, int]:
    mark, at = comment[start], start + 1
    while at < len(comment) and comment[at] != mark:
        at += 2 if comment[at] == "\\" else 1
    if at >= len(comment):
        raise FrameSyntaxError(f"a quotation mark is not closed: {quote(comment[start:])}")
    text = comment[start + 1 : at]
    return (_ESCAPED.sub(r"\1", text) if "\\" in text else text), at + 1


def _closing_at(comment: str, start: int) -> int:
    """Return the end of a bracketed value, or 0 where its bracket is not closed."""
    opening, depth = comment[start], 0
    for at in range(start, len(comment)):
        depth += (comment[at] == opening) - (comment[at] == _CLOSING[opening])
        if depth == 0:
            return at + 1
    return 0


def _value(key: str, text: str | None) -> Any:
    if key == "pbc":
        return parse_pbc(text or "") if text is not None else _missing(key)
    if key in ("Lattice", "stress", "virial"):
        return _matrix(key, text)
    if text is None:
        return True
    return text if key in _TEXTS else plain_value(text)


def _missing(key: str) -> Any:
    raise FrameSyntaxError(f"{key} has no value")


def _matrix(key: str, text: str | None) -> np.ndarray:
    """Return nine numbers as (3, 3); of a stress or virial six, too, in ASE's order."""
    value: Any = None if text is None else plain_value(text)
    tensor = as_tensor(value)
    six = tensor is not None and np.size(value) == 6
    if tensor is None or (six and key == "Lattice"):
        found = "missing" if text is None else quote(text)
        count = "nine numbers are" if key == "Lattice" else "nine numbers or six are"
        raise FrameSyntaxError(f"{key} is {found}, but {count} expected")
    return tensor


def plain_value(text: str) -> Any:
    """Return what a text looks like: a number, an array of numbers, booleans, JSON, or the text itself."""
    if text.startswith("_JSON"):
        return _json_value(text)
    words = text.replace(",", " ").split()
    if text[:1] in _CLOSING and len(words) > 0:
        if text.startswith("[["):
            return _json_value(text)
        words = text[1:-1].replace(",", " ").split()
    values = _converted(words) if "_" not in text else None
    if not values:
        return text
    if len(values) == 1:
        return values[0]
    return values if isinstance(values[0], bool) else np.array(values)


def _converted(words: list[str]) -> list[Any] | None:
    for convert in (_integer, float, _BOOLS.__getitem__):
        try:
            return [convert(word) for word in words]
        except (ValueError, KeyError):
            continue
    return None


def _integer(word: str) -> int:
    value = int(word)
    if abs(value) > _LARGEST:
        raise ValueError("too large")
    return value


def _json_value(text: str) -> Any:
    """Return JSON's value, lists of numbers as arrays; the text where it is none."""
    try:
        value = json.loads(text.removeprefix("_JSON"))
    except (ValueError, RecursionError):
        return text
    if isinstance(value, list):
        try:
            array = np.array(value)
        except (ValueError, OverflowError):
            return value
        return array if array.dtype.kind in "iufb" else value
    return value


def parse_pbc(text: str) -> np.ndarray:
    """Return (3,) bool of words such as "T T F", ".true.", "p p f", "TTF" or "none"; one word stands for all.

    Raises
    ------
    FrameSyntaxError
        For anything else.
    """
    words = text.lower().translate(str.maketrans(",[]{}()", "       ")).split()
    if len(words) == 1 and re.fullmatch("[tfp]{3}", words[0]):
        words = list(words[0])
    if len(words) == 1:
        words = words * 3
    if len(words) != 3 or not all(word in _PERIODIC or word in _APERIODIC for word in words):
        raise FrameSyntaxError(f"pbc is {quote(text)}, but three of T and F are expected, such as 'T T F'")
    return np.array([word in _PERIODIC for word in words])
