"""Reading n2p2 folders, as trained by n2p2 or RuNNer or written by :mod:`nnpcore.exchange.n2p2.writing`."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nnpcore.errors import PotentialError, SettingsError
from nnpcore.exchange.foreign_text import ForeignText
from nnpcore.exchange.n2p2.conventions import INPUT, SCALING, UNITS, Units, weights_name
from nnpcore.exchange.n2p2.input_nn import N2p2Settings, read_settings
from nnpcore.exchange.plain_networks import InputScaling, PlainMember, PlainNetwork, combine

if TYPE_CHECKING:
    from nnpcore.potential import Potential

_FARTHEST = 1e31
"""Ranges that were not known are written as out of any reach."""
_BOHR_CUTOFF = 9.5
"""A cutoff radius beyond this is hardly one in Å."""


@dataclass(frozen=True, eq=False)
class _Rows:
    """One element's rows of scaling.data, (n_functions,) each; ``lines`` are their numbers."""

    low: np.ndarray
    high: np.ndarray
    mean: np.ndarray
    sigma: np.ndarray | None
    lines: list[int]


def read_n2p2(
    folders: str | Path | Sequence[str | Path], *, units: str | None = None, epoch: int | None = None
) -> Potential:
    """Read one n2p2 folder, or several as the members of an ensemble.

    Parameters
    ----------
    folders : with input.nn, scaling.data and weights.ZZZ.data.
    units : "angstrom-ev" or "bohr-hartree"; None takes Å and eV unless the cutoff radius looks like Bohr.
    epoch : read weights.ZZZ.NNNNNN.out of this epoch of a training instead of weights.ZZZ.data.

    Raises
    ------
    PotentialError : a file is missing, truncated, contradictory or asks for what Eatlas cannot evaluate;
        it names the file and the line.
    """
    given = [folders] if isinstance(folders, (str, Path)) else list(folders)
    paths = [Path(folder) for folder in given]
    members = [_read_member(path, units, epoch) for path in paths]
    name = paths[0].name if len(paths) == 1 else paths[0].absolute().parent.name
    origin = {"format": "n2p2", "folders": [str(path.absolute()) for path in paths]}
    origin |= {"units": units or "angstrom-ev"} | ({} if epoch is None else {"epoch": epoch})
    return combine(members, [str(path) for path in paths], {"name": name, "imported": origin})


def _read_member(folder: Path, units: str | None, epoch: int | None) -> PlainMember:
    text = ForeignText(folder / INPUT, comments="#!")
    unit = UNITS.get(units or "angstrom-ev")
    if unit is None:
        fix = f"Choose {' or '.join(UNITS)}"
        raise SettingsError(f"there are no units {units!r}", where="units", fix=fix)
    settings = read_settings(text, unit)
    cutoff = max(f.cutoff for functions in settings.functions.values() for f in functions)
    if units is None and cutoff > _BOHR_CUTOFF:
        raise text.problem(
            None,
            f"the cutoff radius of {cutoff:g} looks like Bohr, and the file does not tell its units",
            "Say --units bohr-hartree or --units angstrom-ev",
        )
    rows = _read_scaling(folder / SCALING, settings)
    return {e: _network(folder, e, settings, rows[e], unit, epoch) for e in settings.functions}


def _network(
    folder: Path, element: str, settings: N2p2Settings, rows: _Rows, unit: Units, epoch: int | None
) -> PlainNetwork:
    from ase.data import atomic_numbers

    functions = settings.functions[element]
    sizes = [len(functions), *settings.nodes[element], 1]
    path = _weights_path(folder, atomic_numbers[element], epoch)
    layers = _read_layers(path, element, sizes)
    if settings.normalize_nodes:
        layers = [(weight / len(weight), bias / len(weight)) for weight, bias in layers]
    names = settings.activations
    factor = unit.energy / settings.conv_energy
    offset = (settings.mean_energy + settings.atom_energy.get(element, 0.0)) * unit.energy
    if factor != 1.0:
        if names[-1] != "identity":
            raise PotentialError(
                f"the output's activation '{names[-1]}' cannot be converted to other units",
                where=str(folder / INPUT),
                fix="Choose a potential with a linear output",
            )
        weight, bias = layers[-1]
        layers[-1] = (weight * factor, bias * factor)
    scaling = _input_scaling(folder / SCALING, settings, rows)
    return PlainNetwork(functions, scaling, layers, names, offset)


def _weights_path(folder: Path, number: int, epoch: int | None) -> Path:
    """Return the file of an element's weights, or say which epochs there are."""
    path = folder / weights_name(number, epoch)
    if path.is_file():
        return path
    kept = sorted({p.name.split(".")[2] for p in folder.glob(f"weights.{number:03d}.[0-9]*.out")})
    epochs = [str(int(name)) for name in kept if name.isdigit()]
    if epochs:
        shown = epochs if len(epochs) < 7 else [*epochs[:3], "...", *epochs[-3:]]
        fix = f"Choose an epoch of the training by --epoch: {', '.join(shown)}"
    else:
        fix = "Put it beside the others"
    raise PotentialError("the file is missing", where=str(path), fix=fix)


def _read_layers(path: Path, element: str, sizes: Sequence[int]) -> list[tuple[np.ndarray, np.ndarray]]:
    """Read the first column: per layer the weights, input neurons outside, then the biases."""
    text = ForeignText(path)
    wanted = sum((n_in + 1) * n_out for n_in, n_out in itertools.pairwise(sizes))
    shape = "-".join(map(str, sizes))
    if len(text.lines) != wanted:
        kind = "is truncated" if len(text.lines) < wanted else "holds too much"
        line = text.end if len(text.lines) < wanted else text.lines[wanted].number
        raise text.problem(
            line, f"the file {kind}: {len(text.lines)} values, wanted {wanted} for {element}, {shape}"
        )
    flat = np.array([text.number(line, 0, "a weight") for line in text.lines])
    layers, at = [], 0
    for n_in, n_out in itertools.pairwise(sizes):
        weight = flat[at : at + n_in * n_out].reshape(n_in, n_out)
        at += n_in * n_out
        layers.append((weight, flat[at : at + n_out]))
        at += n_out
    return layers


def _read_scaling(path: Path, settings: N2p2Settings) -> dict[str, _Rows]:
    """Read scaling.data, whose rows must be those of input.nn in n2p2's order."""
    text = ForeignText(path)
    lines = list(text.lines)
    if lines and len(lines[-1].words) == 2:  # RuNNer's last row: smallest and largest energy
        lines.pop()
    found, at = {}, 0
    for e, (element, functions) in enumerate(settings.functions.items(), start=1):
        own = lines[at : at + len(functions)]
        at += len(own)
        if len(own) < len(functions):
            raise text.problem(
                text.end,
                f"the file is truncated: {len(own)} rows for {element}, which has {len(functions)} functions",
            )
        table = []
        for k, line in enumerate(own, start=1):
            place = (text.integer(line, 0, "element number"), text.integer(line, 1, "function number"))
            if place != (e, k):
                raise text.problem(
                    line.number,
                    f"element and function are {place[0]} {place[1]}, wanted {e} {k}: "
                    f"{element} has {len(functions)} functions in {INPUT}",
                    f"Take the {SCALING} that belongs to {INPUT}",
                )
            count = 4 if len(line.words) > 5 else 3
            what = "min, max, mean, sigma"
            table.append([text.number(line, 2 + c, what, _FARTHEST) for c in range(count)])
        found[element] = _rows(table, [line.number for line in own])
    if at < len(lines):
        raise text.problem(lines[at].number, f"there are more rows than functions in {INPUT}")
    return found


def _rows(table: list[list[float]], lines: list[int]) -> _Rows:
    sigma = np.array([row[3] for row in table]) if all(len(row) == 4 for row in table) else None
    low, high, mean = np.array([row[:3] for row in table]).T
    return _Rows(low, high, mean, sigma, lines)


def _input_scaling(path: Path, settings: N2p2Settings, rows: _Rows) -> InputScaling:
    """Return what the keywords say; see n2p2's documentation of them."""
    kind, ones = settings.scaling, np.ones(len(rows.mean))
    if kind == "none":
        return InputScaling.centered(0 * ones)
    if kind == "center":
        return InputScaling.centered(rows.mean)
    if kind == "sigma" and rows.sigma is None:
        raise PotentialError(
            "the column sigma is missing", where=f"{path}, line {rows.lines[0]}", fix="Take n2p2's own file"
        )
    width = rows.sigma if kind == "sigma" and rows.sigma is not None else rows.high - rows.low
    flat = np.flatnonzero(~(width > 0))
    if len(flat):
        name = "sigma" if kind == "sigma" else "max - min"
        raise PotentialError(
            f"{name} is not positive, but the inputs are scaled by it",
            where=f"{path}, line {rows.lines[flat[0]]}",
            fix=f"Take the {SCALING} that belongs to the weights",
        )
    center = rows.low if kind == "scale" else rows.mean
    return InputScaling(center, (settings.high - settings.low) / width, settings.low * ones)
