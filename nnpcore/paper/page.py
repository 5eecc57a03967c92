"""The report of all studies run so far: claims beside the paper's, figures, honest where ours differ."""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nnpcore.files import write_atomically
from nnpcore.paper.claims import Claim, StudyRecord, module_of, texts

REPORT = "paper.md"
IMAGES = Path("images") / "paper"
_UNITS = (
    ("_mev_per_atom", "meV/atom"),
    ("_ev_per_atom", "eV/atom"),
    ("_ev_per_ang", "eV/Å"),
    ("_j_per_m2", "J/m²"),
    ("_percent", "%"),
    ("_gpa", "GPa"),
    ("_ang3", "Å³"),
    ("_ang", "Å"),
    ("_mev", "meV"),
)


def measured(ours: Mapping[str, Any]) -> list[str]:
    """Return measured numbers as short sentences, one an entry, with units and three digits."""
    return [f"{_named(name)}: {_value(value)}" for name, value in ours.items()]


def _named(name: str) -> str:
    """Return the name of an entry with its unit, which ends it or stands before a further word."""
    name = re.sub(r"(?<=\d)_k(?=_|$)", " K", name)
    for suffix, unit in _UNITS:
        if name == suffix[1:]:
            return unit
        found = re.search(rf"{suffix}(?=_|$)", name)
        if found:
            rest = name[: found.start()] + name[found.end() :]
            return f"{rest.replace('_', ' ')} ({unit})"
    return name.replace("_", " ")


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        involved = any(isinstance(item, Mapping) or "," in str(name) for name, item in value.items())
        between, is_ = ("; ", ": ") if involved else (", ", " ")
        return between.join(f"{_named(str(name))}{is_}{_value(item)}" for name, item in value.items())
    if isinstance(value, list | tuple):
        if any(isinstance(item, list | tuple) for item in value):
            return ", ".join(f"({_value(item)})" for item in value)
        return ", ".join(_value(item) for item in value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.0f}" if 1000 <= abs(value) < 1e6 else f"{value:.3g}"
    return "–" if value is None else str(value)


def write_report(folder: Path, records: Sequence[StudyRecord], titles: Mapping[str, str]) -> Path:
    """Write ``paper.md`` into the studies' folder, with links to their figures.

    Parameters
    ----------
    folder : of the studies. records : by study, in order. titles : of the studies, by name.
    """
    links = {r.study: [f"{r.study}/{name}" for name in r.figures] for r in records}
    path = folder / REPORT
    write_atomically(path, report_text(records, titles, links).encode())
    return path


def write_docs(
    docs: Path, folder: Path, records: Sequence[StudyRecord], titles: Mapping[str, str]
) -> list[Path]:
    """Write the report as ``docs/paper.md`` with copies of its figures in ``docs/images/paper``.

    Returns the files written. Raises RunFolderError where they cannot be.
    """
    links: dict[str, list[str]] = {}
    files = [docs / REPORT]
    for record in records:
        links[record.study] = [(IMAGES / name).as_posix() for name in record.figures]
        for name in record.figures:
            source = folder / record.study / name
            if source.is_file():
                write_atomically(docs / IMAGES / name, source.read_bytes())
                files.append(docs / IMAGES / name)
    write_atomically(files[0], report_text(records, titles, links).encode())
    return files


def report_text(
    records: Sequence[StudyRecord], titles: Mapping[str, str], links: Mapping[str, Sequence[str]]
) -> str:
    """Return the report in Markdown; ``links`` are the figures of each study, relative to the report."""
    parts = [_head(records)]
    for record in records:
        parts.append(_section(record, titles.get(record.study, record.study), links.get(record.study, ())))
    return "\n\n".join(parts) + "\n"


def _head(records: Sequence[StudyRecord]) -> str:
    claims = [claim for record in records for claim in record.claims]
    held = sum(claim.holds for claim in claims)
    names = ", ".join(f"`{r.study}` {r.seconds:.0f} s" + (f" on {r.made}" if r.made else "") for r in records)
    quick = [r.study for r in records if r.quick]
    size = "all in full"
    if quick:
        size = "all by `--quick`" if len(quick) == len(records) else f"{', '.join(quick)} by `--quick`"
    head = texts()["page"]["head"].format(held=held, n=len(claims), times=names or "none", size=size).strip()
    return "\n\n".join([head, *_differing(records)])


def _differing(records: Sequence[StudyRecord]) -> list[str]:
    """Return what does not hold, up front."""
    found = [
        f"- *{record.study}*: {claim.claim}"
        for record in records
        for claim in record.claims
        if not claim.holds
    ]
    head = "## Where ours differ\n\nThese do not hold here; the numbers stand in the tables below."
    return [head, "\n".join(found)] if found else []


def _section(record: StudyRecord, title: str, links: Sequence[str]) -> str:
    lines = [f"## {record.study}: {title}"]
    text = _docstring(record.study)
    if text:
        lines.append(text)
    for link in links:
        caption = texts()["captions"].get(Path(link).stem, "")
        lines.append(f"![{caption or Path(link).stem}]({link})")
        if caption:
            lines.append(f"*{caption}*")
    rows = ["| claim | paper | ours | holds |", "|---|---|---|---|", *(_row(c) for c in record.claims)]
    return "\n\n".join([*lines, "\n".join(rows)])


def _row(claim: Claim) -> str:
    ours = "<br>".join(_cell(line) for line in measured(claim.ours))
    return f"| {_cell(claim.claim)} | {_cell(claim.paper)} | {ours} | {'yes' if claim.holds else '**no**'} |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _docstring(study: str) -> str:
    """Return what the study's module says about itself, as running text."""
    try:
        module = importlib.import_module(module_of(study))
    except ModuleNotFoundError:
        return ""
    paragraphs = inspect.cleandoc(module.__doc__ or "").split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)
