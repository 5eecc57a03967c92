"""Writing a potential as n2p2 folders, which LAMMPS' ``pair_style hdnnp`` reads, too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nnpcore.descriptors.shapes import CUTOFF_FUNCTIONS
from nnpcore.errors import PotentialError, SettingsError
from nnpcore.exchange.lammps_styles import short_range_comments
from nnpcore.exchange.member_folders import member_paths
from nnpcore.exchange.n2p2.conventions import (
    INPUT,
    LETTERS,
    SCALING,
    SCALINGS,
    weights_name,
)
from nnpcore.exchange.n2p2.function_lines import FORMS, TYPES, function_line, sorted_order
from nnpcore.exchange.plain_networks import (
    InputScaling,
    PlainMember,
    PlainNetwork,
    check_writable,
    padded,
    plain_network,
)
from nnpcore.files import write_atomically
from nnpcore.installation import VERSION

if TYPE_CHECKING:
    from nnpcore.potential import Potential
    from nnpcore.training import TrainingValues

_PROGRAM = "n2p2"
_UNKNOWN = 1e30


@dataclass(frozen=True, eq=False)
class _Statistics:
    """Of one element's symmetry functions over the training atoms, all (n_functions,)."""

    low: np.ndarray
    high: np.ndarray
    mean: np.ndarray
    sigma: np.ndarray
    known: bool


def write_n2p2(
    potential: Potential,
    folder: str | Path,
    values: TrainingValues | None = None,
    *,
    scaling: str = "center",
) -> list[Path]:
    """Write ``input.nn``, ``scaling.data`` and ``weights.ZZZ.data``; return the files.

    One member is written into ``folder`` itself, those of an ensemble into ``member-1`` and so on.

    Parameters
    ----------
    values : symmetry functions of the training atoms, whose minima and maxima n2p2 warns by; without them
        it cannot warn.
    scaling : which keywords scale the inputs. Whitening is folded into the first layer, whichever is chosen.

    Raises
    ------
    PotentialError : an activation or a nonlinear baseline that n2p2 does not know, named.
    SettingsError : a scaling that divides by the range of a function which has none.
    RunFolderError : the folder cannot be written.
    """
    check_writable(potential, _PROGRAM, TYPES, usual=False)
    _cutoff_line(potential)
    letters = _letters(potential)
    elements = potential.elements
    orders = {e: sorted_order(potential.functions.functions[e], elements) for e in elements}
    found = {e: _statistics(potential, e, orders[e], values) for e in elements}
    scalings = {e: _scaling(e, found[e], scaling) for e in elements}
    files = []
    for m, target in enumerate(member_paths(Path(folder), potential.n_members)):
        member = {e: plain_network(potential, m, e, orders[e], scalings[e]) for e in elements}
        member = _same_widths(member)
        texts = {INPUT: _input_text(potential, member, letters, scaling, m), SCALING: _scaling_text(found)}
        texts |= {weights_name(_number(e)): _weights_text(network) for e, network in member.items()}
        for name, text in texts.items():
            write_atomically(target / name, text.encode())
            files.append(target / name)
    return files


def _number(element: str) -> int:
    from ase.data import atomic_numbers

    return atomic_numbers[element]


def _letters(potential: Potential) -> tuple[str, ...]:
    """Letters of all layers' activations, the same for every element, or say why there are none."""
    known = {name: letter for letter, name in LETTERS.items()}
    names = {e: potential.weights.activation_names(e) for e in potential.elements}
    for own in names.values():
        for name in own:
            if name not in known:
                raise PotentialError(
                    f"n2p2 does not know the activation '{name}'",
                    where=potential.name,
                    fix="Export it as simple-nn, torch or potential",
                )
    first = names[potential.elements[0]]
    if any(own != first for own in names.values()):
        raise PotentialError(
            "the elements' networks have different layers or activations, n2p2 wants the same for all",
            where=potential.name,
            fix="Export it as simple-nn, torch or potential",
        )
    if len(first) < 2:
        raise PotentialError("the networks have no hidden layer, n2p2 wants one", where=potential.name)
    return tuple(known[name] for name in first)


def _statistics(
    potential: Potential, element: str, order: Sequence[int], values: TrainingValues | None
) -> _Statistics:
    e = potential.elements.index(element)
    chosen = None if values is None else values.is_training & (values.species == e)
    if values is None or chosen is None or not chosen.any():
        mean = potential.whitening.mean[e][order]
        far = np.full(len(order), _UNKNOWN)
        return _Statistics(-far, far, mean, np.ones(len(order)), False)
    rows = values.values[chosen][:, order]
    sigma = rows.std(axis=0, ddof=1) if len(rows) > 1 else np.zeros(rows.shape[1])
    return _Statistics(rows.min(axis=0), rows.max(axis=0), rows.mean(axis=0), sigma, True)


def _scaling(element: str, found: _Statistics, scaling: str) -> InputScaling:
    if scaling not in SCALINGS:
        raise SettingsError(
            f"there is no scaling {scaling!r}", where="scaling", fix=f"Choose one of {', '.join(SCALINGS)}"
        )
    if scaling == "none":
        return InputScaling.centered(np.zeros(len(found.mean)))
    if scaling == "center":
        return InputScaling.centered(found.mean)
    width = found.sigma if scaling == "sigma" else found.high - found.low
    if not found.known or not (width > 1e-12 * np.abs(found.mean)).all():
        what = "have no range" if found.known else "are not known without the training atoms"
        raise SettingsError(
            f"some symmetry functions of {element} {what}, they cannot be scaled by it",
            where="scaling",
            fix="Choose the scaling 'center'",
        )
    center = found.low if scaling == "scale" else found.mean
    return InputScaling(center, 1 / width, np.zeros(len(width)))


def _same_widths(member: PlainMember) -> PlainMember:
    """Give narrower layers neurons without weights: n2p2 wants all elements' layers equally wide."""
    nets = [network.layers for network in member.values()]
    widths = [max(net[k][1].size for net in nets) for k in range(len(nets[0]))]
    grown = {}
    for element, network in member.items():
        layers, n_in = [], len(network.functions)
        for layer, width in zip(network.layers, widths, strict=True):
            layers.append(padded(layer, n_in, width))
            n_in = width
        grown[element] = replace(network, layers=layers)
    return grown


def _input_text(
    potential: Potential, member: PlainMember, letters: Sequence[str], scaling: str, m: int
) -> str:
    hidden = [str(bias.size) for _, bias in next(iter(member.values())).layers[:-1]]
    lines = [
        *_comments(potential, member, m),
        f"number_of_elements {len(member)}",
        f"elements {' '.join(member)}",
        *(f"atom_energy {e} {network.offset!r}" for e, network in member.items() if network.offset),
        _cutoff_line(potential),
        *SCALINGS[scaling],
        *(("scale_min_short 0.0", "scale_max_short 1.0") if scaling not in ("none", "center") else ()),
        f"global_hidden_layers_short {len(hidden)}",
        f"global_nodes_short {' '.join(hidden)}",
        f"global_activation_short {' '.join(letters)}",
        "",
    ]
    for element, network in member.items():
        lines += [function_line(element, function) for function in network.functions]
        lines.append("")
    return "\n".join(lines)


def _comments(potential: Potential, member: PlainMember, m: int) -> list[str]:
    """Say in the file what it is and what was done."""
    energies = ", ".join(f"{e} {energy:.10g} eV" for e, energy in potential.element_energies.items())
    folded = all(network.offset == 0 for network in member.values())
    lines = [
        f"# Written by Eatlas {VERSION}: member {m + 1} of {potential.n_members}",
        "# Units: lengths in Angstrom, energies in eV. In LAMMPS: units metal and",
        f"#   pair_style hdnnp {potential.cutoff:g} dir . cflength 1 cfenergy 1",
        f"#   pair_coeff * * {' '.join(potential.elements)}",
        "# Whitening of the symmetry functions: folded into the weights of the first layer.",
    ]
    if folded:
        lines.append(f"# Reference energies of the elements ({energies}): folded into the last bias.")
    if potential.weights.skip is not None:
        lines.append(
            "# Linear part beside the network: the last neurons of each hidden layer carry it; they work "
            "where the activation is linear to better than 1e-9 eV."
        )
    return [*lines, *short_range_comments(potential), ""]


def _cutoff_line(potential: Potential) -> str:
    """Return the line of the cutoff function, which all functions but compact ones share."""
    found = {
        (function.cutoff_function, function.values.get("inner_cutoff", 0.0))
        for members in potential.functions.functions.values()
        for function in members
        if not FORMS[TYPES[type(function)]].compact
    }
    if len(found) > 1:
        raise PotentialError(
            "its functions have different cutoff functions or inner cutoffs, n2p2 has one for all",
            where=potential.name,
            fix="Export it as potential",
        )
    name, inner = next(iter(found), ("cosine", 0.0))
    return f"cutoff_type {CUTOFF_FUNCTIONS.index(name)}" + (f" {inner!r}" if inner else "")


def _scaling_text(found: dict[str, _Statistics]) -> str:
    lines = ["# Symmetry functions over the training atoms: element, function, min, max, mean, sigma"]
    if not all(own.known for own in found.values()):
        lines.append("# Some were not known: their min and max are out of reach, nothing warns of them.")
    for e, own in enumerate(found.values(), start=1):
        columns = zip(own.low, own.high, own.mean, own.sigma, strict=True)
        lines += [f"{e:3d} {k:5d} {_numbers(row)}" for k, row in enumerate(columns, start=1)]
    return "\n".join(lines) + "\n"


def _weights_text(network: PlainNetwork) -> str:
    lines = ["# Weights from each neuron to all of the next layer, then that layer's biases, layer by layer"]
    for weight, bias in network.layers:
        lines += [_numbers([number]) for number in (*weight.ravel(), *bias)]
    return "\n".join(lines) + "\n"


def _numbers(row: Sequence[float] | np.ndarray) -> str:
    return " ".join(f"{number:24.16E}" for number in row)
