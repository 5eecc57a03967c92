"""What is known about the frame and about picked atoms, as short texts."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

import numpy as np
from ase.data import chemical_symbols

from app.look.numbers import number_text, true_minus
from app.viewer3d.picking import measure
from nnpcore.units import GPA_PER_EV_PER_ANG3, MEV_PER_EV

if TYPE_CHECKING:
    from app.documents.atom_values import AtomValues
    from nnpcore.potential import Prediction
    from nnpcore.structures.frame import Frame

Rows = list[tuple[str, str]]
_SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
MAX_LISTED = 4


def formula_of(frame: Frame) -> str:
    """The frame's formula, such as "Si₆₄": the elements in the order in which they first appear."""
    elements, first, counts = np.unique(frame.numbers, return_index=True, return_counts=True)
    parts = [
        f"{chemical_symbols[int(elements[k])]}{counts[k] if counts[k] > 1 else ''}" for k in np.argsort(first)
    ]
    return "".join(parts).translate(_SUBSCRIPTS)


def frame_facts(frame: Frame) -> list[str]:
    """Volume, energy, pressure and largest force, as far as the frame has them."""
    facts = []
    if frame.volume > 1e-6 and frame.pbc.all():
        facts.append(f"{number_text(frame.volume / frame.n_atoms, 2)} Å³/atom")
    if frame.energy is not None:
        facts.append(f"{number_text(frame.energy / frame.n_atoms, 4)} eV/atom")
    if frame.stress is not None:
        pressure = -np.trace(frame.stress) / 3 * GPA_PER_EV_PER_ANG3
        facts.append(f"{number_text(pressure, 2)} GPa")
    return facts


def symbol(frame: Frame, atom: int) -> str:
    """The element of an atom."""
    return chemical_symbols[int(frame.numbers[atom])]


def atom_rows(
    frame: Frame,
    atom: int,
    prediction: Prediction | None,
    crystal_energy: float | None,
    shown: AtomValues | None,
) -> Rows:
    """What is known about one atom, as (name, value) pairs.

    Parameters
    ----------
    crystal_energy : eV, what the atomic energy is compared with, or None.
    shown : what the structure is coloured by, or None.
    """
    x, y, z = (number_text(v, 3) for v in frame.positions[atom])
    rows: Rows = [("position", f"{x}  {y}  {z} Å")]
    if prediction is not None:
        rows += _predicted_rows(frame, atom, prediction, crystal_energy)
    elif frame.forces is not None:
        rows.append(("force", f"{number_text(float(np.linalg.norm(frame.forces[atom])), 3)} eV/Å"))
    if shown is not None and (shown.label in frame.arrays or shown.label.startswith("Eₐₜ −")):
        rows.append((shown.label, true_minus(f"{float(shown.values[atom]):.5g} {shown.unit}").strip()))
    return rows


def _predicted_rows(frame: Frame, atom: int, prediction: Prediction, crystal_energy: float | None) -> Rows:
    energy = float(prediction.atomic_energies[atom])
    spread = float(prediction.atomic_energies_members[:, atom].std())
    rows: Rows = [("atomic energy", f"{number_text(energy, 4)} ± {number_text(spread, 4)} eV")]
    if crystal_energy is not None:
        relative = MEV_PER_EV * (energy - crystal_energy)
        rows.append(("to the crystal", true_minus(f"{relative:+.1f} meV")))
    if frame.forces is not None:
        rows.append(("force", f"{number_text(float(np.linalg.norm(frame.forces[atom])), 3)} eV/Å"))
        if prediction.forces is not None:
            error = float(np.linalg.norm(prediction.forces[atom] - frame.forces[atom]))
            rows.append(("force error", f"{number_text(error, 3)} eV/Å"))
    elif prediction.forces is not None:
        force = float(np.linalg.norm(prediction.forces[atom]))
        rows.append(("predicted force", f"{number_text(force, 3)} eV/Å"))
    return rows


def several_rows(frame: Frame, atoms: Sequence[int], shown: AtomValues | None) -> Rows:
    """What some atoms measure (2 to 4, in the order picked) or what they have in common."""
    rows: Rows = []
    if len(atoms) <= MAX_LISTED:
        rows.append(("atoms", " – ".join(f"{symbol(frame, a)} {a + 1}" for a in atoms)))
        measured = measure(frame.positions[list(atoms)], frame.cell, frame.pbc)
        if measured is not None:
            digits, unit = (3, " Å") if measured.unit == "Å" else (1, measured.unit)
            rows.append((measured.name.lower(), number_text(measured.value, digits) + unit))
    if shown is not None:
        known, unit = shown.values[list(atoms)], shown.unit
        known = known[np.isfinite(known)]
        if len(known):
            text = true_minus(f"{known.mean():.4g} ± {known.std():.2g} {unit}").strip()
            rows.append(("mean ± std", text))
    return rows


def as_html(title: str, rows: Rows, muted: str) -> str:
    """A title and rows as the rich text of a label; ``muted`` is the colour of the names."""
    style = f"color:{muted}; padding-right:10px"
    cells = "".join(
        f'<tr><td style="{style}">{_escaped(name)}</td><td>{_escaped(value)}</td></tr>'
        for name, value in rows
    )
    return f"<b>{_escaped(title)}</b><table cellspacing='0' cellpadding='1'>{cells}</table>"


def _escaped(text: str) -> str:
    return escape(text).replace(" ", "&nbsp;")
