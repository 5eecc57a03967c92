"""What the paper says and what was measured: one record a claim, kept as JSON."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from nnpcore.errors import RunFolderError
from nnpcore.files import FileFormat, json_value, write_atomically

FILE = "claims.json"
TEXTS = Path(__file__).with_name("claims.toml")
DIGITS = 6
"""Significant digits of the numbers that are kept."""
FORMAT = FileFormat(
    name="",
    version=1,
    noun="a record of a study's claims",
    error=RunFolderError,
    fix="Run the study again",
)


def module_of(study: str) -> str:
    """Return the module with a study's ``run``, whose docstring says what it is about."""
    return f"nnpcore.paper.study_{study}"


@cache
def texts() -> dict[str, dict[str, Any]]:
    """Return the sentences of all claims by study and name, and the captions by figure."""
    return tomllib.loads(TEXTS.read_text(encoding="utf-8"))


@dataclass(frozen=True)
class Claim:
    """One claim of the paper beside our numbers.

    Attributes
    ----------
    claim : what is claimed, in a sentence.
    paper : what the paper says, with its numbers.
    ours : what was measured: numbers, texts or lists of them by name; the names carry the units.
    holds : whether our numbers bear the claim out, by a rule fixed before they were known.
    """

    claim: str
    paper: str
    ours: Mapping[str, Any] = field(default_factory=dict)
    holds: bool = False

    @classmethod
    def of(cls, name: str, ours: Mapping[str, Any], holds: bool | np.bool_, **values: object) -> Claim:
        """Return the claim whose sentences ``claims.toml`` keeps as STUDY.NAME, with ``values`` filled in."""
        study, key = name.split(".")
        text = texts()[study][key]
        return cls(text["claim"].format(**values), text["paper"].format(**values), ours, bool(holds))

    def to_dict(self) -> dict[str, Any]:
        """Return the four entries of ``claims.json``; numbers that are not finite become None."""
        return {
            "claim": self.claim,
            "paper": self.paper,
            "ours": json_value(self.ours, DIGITS),
            "holds": bool(self.holds),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Claim:
        """Rebuild a claim from :meth:`to_dict`; KeyError or TypeError where it is none."""
        return cls(str(values["claim"]), str(values["paper"]), dict(values["ours"]), values["holds"] is True)


@dataclass(frozen=True)
class StudyRecord:
    """The claims of one study as they stand in its folder, and how they came about.

    Attributes
    ----------
    study : its name. quick, seed : how it was run. seconds : how long that took.
    claims : in the study's order. figures : names of its PNG files.
    networks : the column; a record that says none is of Eatlas 0.2.0.
    made : when it was run, as date and time (UTC); "" where the record does not say.
    """

    study: str
    quick: bool
    seed: int
    seconds: float
    claims: tuple[Claim, ...]
    figures: tuple[str, ...] = ()
    networks: str = "default"
    made: str = ""

    def write(self, folder: Path) -> None:
        """Write ``claims.json`` into the study's folder."""
        names = ("study", "quick", "seed", "seconds", "figures", "networks", "made")
        values = {name: getattr(self, name) for name in names}
        claims = [claim.to_dict() for claim in self.claims]
        write_json(folder / FILE, FORMAT.mark | values | {"claims": claims})


def read_record(folder: Path) -> StudyRecord | None:
    """Return what a study has left in its folder, or None where it has not ended yet.

    Raises
    ------
    RunFolderError : the file is damaged.
    """
    path = folder / FILE
    if not path.is_file():
        return None
    with FORMAT.reading(path) as document:
        claims = tuple(Claim.from_dict(values) for values in document["claims"])
        return StudyRecord(
            str(document["study"]),
            bool(document["quick"]),
            int(document["seed"]),
            float(document["seconds"]),
            claims,
            tuple(str(name) for name in document.get("figures", ())),
            str(document.get("networks", "0.2.0")),
            str(document.get("made", "")),
        )


def merge_claims(folder: Path, studies: Sequence[str]) -> list[StudyRecord]:
    """Collect the claims of every study run so far in ``folder/claims.json``, in the order of ``studies``.

    A study that is run again replaces its own claims only.
    """
    records = [record for name in studies if (record := read_record(folder / name)) is not None]
    write_json(folder / FILE, [claim.to_dict() for record in records for claim in record.claims])
    return records


def write_json(path: Path, document: Any) -> None:
    """Write plain values as JSON, all or nothing."""
    write_atomically(path, (json.dumps(document, indent=1, ensure_ascii=False) + "\n").encode())
