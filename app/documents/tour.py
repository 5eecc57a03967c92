"""The pages that lead through an example: sentences, and what each of them wants to be looked at."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from app.documents.chart import ChartWish
from nnpcore.installation import RESOURCES


@dataclass(frozen=True)
class Step:
    """One page.

    Attributes
    ----------
    text : one sentence or two. otherwise : those where the claim does not hold; "" for the same.
    workspace : by its name.
    run, compared : names of the run folders that are looked at, and shown beside it.
    data, frame : name of a file, and its frame from 1. color : what atoms are coloured by; "" leaves it.
    claim : a part of the sentence of the claim that belongs to it; "" for none.
    hidden : names of files whose atoms are left out of the map of atoms.
    ours : what is told of the claim's numbers, as a format of them; "" tells the first of them.
    paper : what is told of the paper where its words are long; "" tells those of the claim.
    panels : names of panels that come to the front, and what each of them is to show ("" leaves that).
    chart : what is drawn of the claim's numbers, or None.
    """

    text: str
    workspace: str
    run: str = ""
    compared: tuple[str, ...] = ()
    data: str = ""
    frame: int = 1
    color: str = ""
    claim: str = ""
    panels: tuple[tuple[str, str], ...] = ()
    chart: ChartWish | None = None
    otherwise: str = ""
    hidden: tuple[str, ...] = ()
    ours: str = ""
    paper: str = ""

    def measured(self, numbers: Mapping[str, Any]) -> str:
        """Return what is told of a claim's numbers, "" where there is nothing to tell or one is missing."""
        try:
            told = self.ours.format_map(numbers)
        except (KeyError, IndexError, TypeError, ValueError):
            return ""
        return re.sub(r"(?<=\d)%", " %", told)


@cache
def tours() -> dict[str, tuple[Step, ...]]:
    """Return the pages of every example, by its name."""
    content = tomllib.loads((RESOURCES / "tours.toml").read_text("utf-8"))
    return {name: tuple(_step(values) for values in steps) for name, steps in content.items()}


def _step(values: dict[str, Any]) -> Step:
    chart = values.get("chart")
    read = {
        "compared": tuple(values.get("compared", ())),
        "hidden": tuple(values.get("hidden", ())),
        "panels": tuple(values.get("panels", {}).items()),
        "chart": None if chart is None else ChartWish(**chart),
    }
    return Step(**{**values, **read})
