"""Names under which files keep their energies, forces and stresses, as options and as advice."""

from __future__ import annotations

from collections.abc import Sequence
from shlex import quote

from nnpcore.errors import SettingsError
from nnpcore.structures import KeyNames, KeyProposal, StressKind, propose_keys
from nnpcore.structures.frame import Frame
from nnpcore.structures.readers.registry import file_units


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
        shown = [(text, _stress_flag(names)) for text, names in question.choices]
        stress = question.quantity == "stress"
        choices = "; ".join(f"{text} ({flag})" if stress and flag else text for text, flag in shown)
        lines.append(f"{question.text} Possible: {choices}")
    options = flags(proposal)
    return [*lines, f"take it by {options}"] if options else lines
