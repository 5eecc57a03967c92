"""Outputs of programs that were stopped: whether a calculation breaks off behind its last whole structure."""

from __future__ import annotations

import re
from pathlib import Path

from nnpcore.structures.readers.formats import open_stream

KINDS = ("vasp-out", "vasp-xml", "espresso-out")
_VASP_STEP = re.compile(rb"Iteration\s+(\d+)\(")


def broken_off(path: Path, kind: str, n_frames: int) -> str:
    """Say what is missing behind the ``n_frames`` structures that were read, or return an empty text.

    Looked at are ``vasp-out``, ``vasp-xml`` and ``espresso-out``, which may end at any line when a job is
    killed; readers pass over the part in silence.
    """
    look = {"vasp-out": _outcar, "vasp-xml": _vasprun, "espresso-out": _espresso}.get(kind)
    return look(path, n_frames) if look else ""


def end_note(path: Path, kind: str) -> str:
    """Return where a text file of these programs ends, to be added to a reader's own complaint."""
    if kind not in KINDS:
        return ""
    with open_stream(path) as stream:
        return f"; the file ends in line {sum(1 for _ in stream)}"


def _outcar(path: Path, n_frames: int) -> str:
    step, at, number = 0, 0, 0
    with open_stream(path) as stream:
        for number, line in enumerate(stream, start=1):
            if b"Iteration" in line and (match := _VASP_STEP.search(line)):
                if int(match.group(1)) != step:
                    at = number
                step = int(match.group(1))
    if step <= n_frames:
        return ""
    return f"ionic step {step} begins in line {at}, but the file ends in line {number} before its forces"


def _vasprun(path: Path, n_frames: int) -> str:
    begun, at, number, closed = 0, 0, 0, 0
    with open_stream(path) as stream:
        for number, line in enumerate(stream, start=1):
            if b"<calculation>" in line:
                begun, at = begun + 1, number
            closed += b"</calculation>" in line
    if begun <= n_frames and begun == closed:
        return ""
    return f"ionic step {begun} begins in line {at}, but the file ends in line {number} inside it"


def _espresso(path: Path, n_frames: int) -> str:
    at, energy_at, number, done = 0, 0, 0, False
    with open_stream(path) as stream:
        for number, line in enumerate(stream, start=1):
            if b"ATOMIC_POSITIONS" in line or b"Program PWSCF" in line:
                at = number
            elif line.startswith(b"!"):
                energy_at = number
            elif b"JOB DONE" in line or b"End final coordinates" in line:
                done = True
    if done or not at or energy_at > at:
        return ""
    return f"the structure of line {at} has no energy: the file ends in line {number}"
