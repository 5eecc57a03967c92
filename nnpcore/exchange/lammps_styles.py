"""Pair styles of LAMMPS and how several act together: members of a committee, and a repulsion beside them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, NamedTuple

from nnpcore.exchange.eam_file import NAME

if TYPE_CHECKING:
    from nnpcore.potential import Potential


_NOT_HERE = "# NOT IN THIS FILE: "
_CROWDED = "and what lifts crowded atoms"
_HEAD = 200  # lines of a file in which comments are looked for


class LammpsStyle(NamedTuple):
    """A pair style with its arguments, and the types and arguments of its coefficients."""

    name: str
    arguments: str
    types: str
    coefficients: str


def short_range_styles(potential: Potential) -> list[LammpsStyle]:
    """Return what a potential's short range is in LAMMPS: ``zbl`` for each pair of elements, exactly.

    A style has one pair of distances between which it is joined to zero, so that each pair is one of its own.
    """
    found = []
    for pair in () if potential.short_range is None else potential.short_range.pairs:
        types = sorted(1 + potential.elements.index(element) for element in pair.elements)
        numbers = sorted(pair.numbers)
        found.append(
            LammpsStyle(
                "zbl",
                f"{pair.inner!r} {pair.outer!r}",
                " ".join(map(str, types)),
                " ".join(map(str, numbers)),
            )
        )
    return found


def crowding_styles(potential: Potential, place: str, *, is_folder: bool) -> list[LammpsStyle]:
    """Return what lifts crowded atoms in LAMMPS: ``eam/fs`` with the file beside a member's; none without.

    ``place`` is the member's folder, or its file.
    """
    if potential.short_range is None or not potential.short_range.crowding:
        return []
    folder = PurePosixPath(place) if is_folder else PurePosixPath(place).parent
    return [LammpsStyle("eam/fs", "", "* *", f'"{folder / NAME}" {" ".join(potential.elements)}')]


def pair_lines(members: Sequence[LammpsStyle], beside: Sequence[LammpsStyle] = ()) -> list[str]:
    """Return pair_style and pair_coeff for the mean of members, and the whole of each style beside them."""
    styles = [*members, *beside]
    if len(styles) == 1:
        (only,) = styles
        return [
            f"pair_style {only.name} {only.arguments}".strip(),
            f"pair_coeff {only.types} {only.coefficients}",
        ]
    share = repr(1 / len(members))
    if len(members) == 1:
        kind, shares = "overlay", [""] * len(styles)
    else:
        kind, shares = "scaled", [f"{share} "] * len(members) + ["1.0 "] * len(beside)
    parts = [f"{s}{own.name} {own.arguments}".strip() for s, own in zip(shares, styles, strict=True)]
    parts[0] = f"pair_style hybrid/{kind} {parts[0]}"
    lines = [f"{part} &" for part in parts[:-1]] + parts[-1:]
    lines = [lines[0], *(f"  {line}" for line in lines[1:])]
    counts, seen = Counter(own.name for own in styles), Counter[str]()
    for own in styles:
        seen[own.name] += 1
        number = f" {seen[own.name]}" if counts[own.name] > 1 else ""
        lines.append(f"pair_coeff {own.types} {own.name}{number} {own.coefficients}")
    return lines


def short_range_comments(potential: Potential) -> list[str]:
    """Return comments on what a file of networks alone does not hold; none without a short range."""
    if potential.short_range is None:
        return []
    lines = [
        f"{_NOT_HERE}a repulsion of nuclei (ZBL) between atoms closer than in any training data.",
        "#   In LAMMPS it stands beside the networks, by pair_style hybrid/overlay; distances in Angstrom:",
    ]
    for own in short_range_styles(potential):
        lines.append(f"#   zbl {own.arguments}; pair_coeff {own.types} zbl {own.coefficients}")
    if potential.short_range.crowding:
        lines.append(f"#   {_CROWDED}: eam/fs; pair_coeff * * eam/fs {NAME} ELEMENTS")
    return lines


def said_left_out(file: Path) -> str:
    """Return what a file with such comments says that it does not hold, for who reads it; "" for nothing."""
    try:
        with file.open(encoding="utf-8", errors="replace") as stream:
            head = list(islice(stream, _HEAD))
    except OSError:
        return ""
    found = [line.removeprefix(_NOT_HERE).strip(" .\n") for line in head if line.startswith(_NOT_HERE)]
    if not found:
        return ""
    crowded = f" and {_CROWDED.removeprefix('and ')}" if any(_CROWDED in line for line in head) else ""
    return (
        f"{found[0]}{crowded} are not in these files, as they say: there the imported networks are not the "
        "potential that was exported. The format 'potential' holds all of it"
    )
