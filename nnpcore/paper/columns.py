"""Columns of the paper: the networks that all studies are run with, and their claims side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import TYPE_CHECKING

from nnpcore.errors import SettingsError
from nnpcore.paper.claims import Claim, StudyRecord
from nnpcore.paper.page import measured
from nnpcore.training.settings import AS_IN_VERSION_0_2

if TYPE_CHECKING:
    from nnpcore.training import TrainSettings

DEFAULT, OLD = "default", "0.2.0"
COLUMNS = (OLD, DEFAULT)
"""Names of the columns, in the order they stand in."""

_BASELINE = "baseline"
_OLD_SETTINGS = {path: value for path, value in AS_IN_VERSION_0_2.items() if path != _BASELINE}
"""Usual values of Eatlas 0.2.0 that have changed; a study may choose to have no baseline."""


def column_settings(settings: TrainSettings, column: str) -> TrainSettings:
    """Return a study's settings in a column: what the study does not choose is the column's usual one.

    Raises
    ------
    SettingsError : there is no such column.
    """
    if column not in COLUMNS:
        choices = " or ".join(COLUMNS)
        raise SettingsError("there are no networks of this name", where=column, fix=f"Choose {choices}")
    if column == DEFAULT:
        return settings
    usual = type(settings)()
    changes = {
        path: value
        for path, value in _OLD_SETTINGS.items()
        if attrgetter(path)(settings) == attrgetter(path)(usual)
    }
    if _BASELINE not in settings.model_fields_set:  # "none" may be chosen: networks alone
        changes[_BASELINE] = AS_IN_VERSION_0_2[_BASELINE]
    return settings.replace(**changes)


def columns_text(records: Mapping[str, Sequence[StudyRecord]], titles: Mapping[str, str]) -> str:
    """Return the claims of all columns as Markdown: a table a study, a column for each kind of networks.

    Parameters
    ----------
    records : by column. titles : of the studies by name.
    """
    columns = [column for column in COLUMNS if records.get(column)]
    by_study = {c: {record.study: record for record in records[c]} for c in columns}
    lines = ["# The paper's claims, by the networks they were asked of", ""]
    for column in columns:
        claims = [claim for record in records[column] for claim in record.claims]
        lines.append(f"- {column}: {sum(c.holds for c in claims)} of {len(claims)} claims hold")
    for study, title in titles.items():
        found = {column: by_study[column].get(study) for column in columns}
        if not any(found.values()):
            continue
        lines += [
            "",
            f"## {title}",
            "",
            f"| claim | {' | '.join(columns)} |",
            "|---" * (1 + len(columns)) + "|",
        ]
        names = dict.fromkeys(c.claim for r in found.values() if r is not None for c in r.claims)
        for name in names:
            cells = [_cell(name, found[column]) for column in columns]
            lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _cell(name: str, record: StudyRecord | None) -> str:
    claims: tuple[Claim, ...] = () if record is None else record.claims
    claim = next((c for c in claims if c.claim == name), None)
    if claim is None:
        return "–"
    return f"**{'yes' if claim.holds else 'no'}** {'<br>'.join(measured(claim.ours))}".replace("|", "\\|")
