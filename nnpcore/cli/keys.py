"""Names under which files keep their energies, forces and stresses, as options and as advice."""

from __future__ import annotations

from collections.abc import Sequence
from shlex import quote

from nnpcore.errors import SettingsError
from nnpcore.structures import KeyNames, KeyProposal, StressKind, propose_keys
from nnpcore.structures.frame import Frame
from nnpcore.structures.labels.key_names import Question
from nnpcore.structures.readers.registry import file_units

_FEW = 4
"""Choices that are all written out."""


def key_names(
    energy: str | None,
    forces: str | None,
    stress: str | None,
    units: str | None,
    types: str | None = None,
    *,
    unconverged: bool = False,
    option: str = "--units",
) -> KeyNames | None:
    """Return the names given on the command line, or None where there are none.

    ``option`` is what the command calls the units.

    Raises
    ------
    SettingsError
        When the kind of stress or the units do not exist.
    """
    if not any((energy, forces, stress, units, types, unconverged)):
        return None
    name, _, kind = (stress or "").partition("=")
    text = StressKind.from_text(kind).text if kind else ""
    known = file_units()
    if units and units not in (*known, *known.values()):
        fix = f"Use {' or '.join(known)}"
        raise SettingsError(f"{units!r} are no units of such a file", where=option, fix=fix)
    return KeyNames(
        energy=energy,
        forces=forces,
        stress=name or None,
        stress_kind=text,
        negative_forces=bool(forces and "grad" in forces.lower()),
        units=known.get(units or "", units or ""),
        unconverged=unconverged,
        types=" ".join((types or "").replace(",", " ").split()),
    )


def advice(frames: Sequence[Frame]) -> str:
    """Say which options take a file's other names, or nothing where the usual names are there."""
    return flags(propose_keys(frames))


def stress_advice(frames: Sequence[Frame]) -> str:
    """Return the option that takes a stress under another name: where none is read, and numbers tell what it
    is.
    """
    if any(frame.stress is not None or "stress=" in frame.read_with for frame in frames):
        return ""
    proposal = propose_keys(frames)
    return "" if proposal.questions else _stress_flag(proposal.names)


def flags(proposal: KeyProposal) -> str:
    """Return the options that take a proposal, in one line; empty where there is nothing to take."""
    names = proposal.names
    parts = [f"--energy-key {quote(names.energy)}"] if names.energy else []
    parts += [f"--forces-key {quote(names.forces)}"] if names.forces else []
    return " ".join([*parts, _stress_flag(names)]).strip()


def _stress_flag(names: KeyNames) -> str:
    if not names.stress:
        return ""
    kind = f"={names.stress_kind.replace('Å³', 'A^3')}" if names.stress_kind else ""
    return f"--stress-key {quote(names.stress + kind)}"


def notes(proposal: KeyProposal) -> list[str]:
    """Return what a person should know about a file's names: what looks like what, what has to be asked."""
    lines = list(proposal.why)
    for question in proposal.questions:
        if question.quantity == "stress":
            lines.append(f"{question.text} {_stress_choices(question)}")
        else:
            lines.append(f"{question.text} Possible: {'; '.join(text for text, _ in question.choices)}")
    options = flags(proposal)
    return [*lines, f"take it by {options}"] if options else lines


def _stress_choices(question: Question) -> str:
    """Return how the command line is told what a stress is: every choice where they are few."""
    given = [(text, names) for text, names in question.choices if names.stress_kind]
    leave_out = "--stress-key none leaves it out"
    if len(given) <= _FEW:
        shown = "; ".join(f"{text} ({_stress_flag(names)})" for text, names in given)
        return f"Possible: {shown}; {leave_out}"
    names = " or ".join(dict.fromkeys(names.stress or "" for _, names in given))
    kinds = [names.stress_kind.replace("Å³", "A^3").partition(":") for _, names in given]
    units: dict[str, list[str]] = {}
    for kind, _, unit in kinds:
        units.setdefault(kind, []).append(unit)
    shown = "; ".join(f"{kind} in {', '.join(dict.fromkeys(own))}" for kind, own in units.items())
    return f"Say it by --stress-key NAME=KIND:UNIT: {names}; {shown}. {leave_out}"
