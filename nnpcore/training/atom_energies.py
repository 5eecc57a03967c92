"""What energies count from: those of isolated atoms, given or read from frames of one atom, or fitted ones.

Energies of isolated atoms do not change what is learned where compositions determine the fitted ones:
networks are fitted to the same numbers, and differ by a constant an element. Where they do not (one
stoichiometry), what is open of the fit is small about these energies instead of about zero.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from nnpcore.errors import SettingsError
from nnpcore.structures.isolated import APART, is_isolated, isolated_of
from nnpcore.structures.overlap import named
from nnpcore.training.history import Message, Severity

if TYPE_CHECKING:
    from nnpcore.structures.frame import Frame

AUTO, FITTED, FRAMES = "auto", "fitted", "frames"
BOUND = (-15.0, 5.0)
"""eV/atom: energies less those of the isolated atoms; solids and molecules are bound by 0.01 to 9 eV/atom."""
FARTHEST = 100.0
"""eV/atom: what lies farther from the isolated atoms has another zero, and single precision would suffer."""


@dataclass(frozen=True)
class AtomEnergies:
    """Energies of isolated atoms that a training counts from.

    Attributes
    ----------
    values : by element, eV; empty where they are fitted.
    origin : "given", "frames" or "fitted".
    left_out : Å, single atoms whose images are at least so far away are neither learned nor judged; 0: none.
    messages : what is to be said of them.
    """

    values: Mapping[str, float]
    origin: str
    left_out: float = 0.0
    messages: tuple[Message, ...] = ()

    def kept(self, frames: Sequence[Frame]) -> list[int]:
        """Return the indices of the frames that are learned or judged."""
        return [k for k, f in enumerate(frames) if not (self.left_out and is_isolated(f, self.left_out))]

    @property
    def text(self) -> str:
        """As settings have them: "Si=-0.12, O=-1.9"."""
        return ", ".join(f"{element}={value!r}" for element, value in self.values.items())


def parsed(text: str) -> dict[str, float] | None:
    """Return the energies of a text such as "Si=-0.12, O=-1.9"; None for a word that names a way.

    Raises SettingsError where it is neither.
    """
    from ase.data import atomic_numbers

    if text in (AUTO, FITTED, FRAMES):
        return None
    found: dict[str, float] = {}
    for part in text.replace(";", ",").split(","):
        element, equal, number = (piece.strip() for piece in part.partition("="))
        try:
            value = float(number)
        except ValueError:
            value = math.nan
        if not equal or not math.isfinite(value):
            fix = f"Write such as Si=-0.12,O=-1.9 (eV), or {AUTO}, {FITTED} or {FRAMES}"
            raise SettingsError(f"{part.strip()!r} is no energy of an atom", where="atom_energies", fix=fix)
        if atomic_numbers.get(element, 0) < 1 or element in found:
            what = "is there twice" if element in found else "is no element"
            raise SettingsError(f"{element!r} {what}", where="atom_energies", fix="Give each element once")
        found[element] = value
    return found


def atom_energies_of(asked: str, frames: Sequence[Frame], cutoff: float = 0.0) -> AtomEnergies:
    """Return what energies of training frames count from.

    Elements without a given one have that of their isolated atoms among the frames, as where frames are
    added to a run of other elements. Left to the data (``auto``) isolated atoms among the frames (no
    neighbor within 8 Å and the cutoff) give them, if there is one with an energy for every element and the
    others are bound as matter is.

    Raises
    ------
    SettingsError : an element has none, or the given ones are those of another method; the shift is shown.
    """
    from ase.data import chemical_symbols

    apart = max(APART, cutoff)
    alone = isolated_of(frames, apart)
    rest = [frame for k, frame in enumerate(frames) if k not in set(alone)]
    numbers = np.unique(np.concatenate([f.numbers for f in rest])) if rest else []
    elements = [chemical_symbols[number] for number in numbers]
    given = parsed(asked)
    if given is not None:
        values, origin = _completed(given, [frames[k] for k in alone], elements)
        unused = [element for element in given if element not in elements]
        found = AtomEnergies(values, "given", apart if alone else 0.0)
        return _said(found, rest, elements, origin, unused)
    if asked == FITTED:
        return AtomEnergies({}, "fitted")
    read, where, several = _read([frames[k] for k in alone])
    lacking = [element for element in elements if element not in read]
    if lacking or not elements:
        if asked == FRAMES:
            what = f"no frame is an isolated atom of {' or '.join(lacking)} with an energy"
            fix = f"Add one in a box of more than {APART:g} Å, give the energies, or let them be fitted"
            raise SettingsError(what, where="atom_energies", fix=fix)
        text = f"There are isolated atoms, but none of {' or '.join(lacking)} with an energy: "
        note = Message(f"{text}reference energies are fitted, and these are trained on as any other frame")
        return AtomEnergies({}, "fitted", messages=(note,) if alone else ())
    found = AtomEnergies({element: read[element] for element in elements}, "frames", apart)
    shift = _shift(rest, found.values)
    if shift is not None and not BOUND[0] <= shift <= BOUND[1] and asked == AUTO:
        text = f"Energies of isolated atoms ({where}) are not taken, nor are these trained on: "
        message = Message(f"{text}{_absurd(rest, elements, found.values, shift)}. They are fitted instead")
        return AtomEnergies({}, "fitted", apart, (message,))
    return _said(found, rest, elements, f"read from {where}; they are not trained on{several}")


def _completed(
    given: Mapping[str, float], alone: Sequence[Frame], elements: Sequence[str]
) -> tuple[dict[str, float], str]:
    """Return energies of all elements, those not given of isolated atoms, and where they are from."""
    new = [element for element in elements if element not in given]
    read, where, several = _read(alone, new)
    lacking = [element for element in new if element not in read]
    if lacking:
        what = f"{' and '.join(lacking)} {'has' if len(lacking) == 1 else 'have'} no energy of the atom"
        raise SettingsError(what, where="atom_energies", fix="Give one for each element, or fitted")
    origin = f"as given, {' and '.join(read)} read from {where}{several}" if read else "as given"
    known = {**given, **read}
    return {element: known[element] for element in elements}, origin


def _read(alone: Sequence[Frame], wanted: Sequence[str] | None = None) -> tuple[dict[str, float], str, str]:
    """Return the lowest energy of each element's isolated atoms, where they are, and what differs.

    ``wanted`` : elements; None for all.
    """
    from ase.data import chemical_symbols

    energies: dict[str, list[float]] = defaultdict(list)
    if wanted is not None:
        alone = [frame for frame in alone if chemical_symbols[frame.numbers[0]] in wanted]
    for frame in alone:
        if frame.energy is not None:
            energies[chemical_symbols[frame.numbers[0]]].append(frame.energy)
    differ = [e for e, values in energies.items() if max(values) - min(values) > 1e-3]
    apart = f"; of {' and '.join(differ)} there are several, the lowest counts" if differ else ""
    return {e: min(values) for e, values in energies.items()}, named(alone, range(len(alone))), apart


def _said(
    found: AtomEnergies,
    frames: Sequence[Frame],
    elements: Sequence[str],
    origin: str,
    unused: Sequence[str] = (),
) -> AtomEnergies:
    """Add what is to be said of energies that are taken; SettingsError where they are of another method.

    ``unused`` : elements that have been given an energy and are in no frame.
    """
    shift = _shift(frames, found.values)
    listed = ", ".join(f"{element} {value:.6g} eV" for element, value in found.values.items())
    bound = "" if shift is None else f"; relative to them the data lie at {shift:+.3g} eV/atom"
    messages = [Message(f"Energies of isolated atoms: {listed}, {origin}{bound}", Severity.NOTE)]
    if unused:
        are = "is" if len(unused) == 1 else "are"
        text = (
            f"{' and '.join(unused)} {are} in no training frame: energies given for other elements do nothing"
        )
        messages.append(Message(text))
    if shift is not None and abs(shift) > FARTHEST:
        fix = "Give those that the same method and pseudopotentials give, or let them be fitted"
        what = _absurd(frames, elements, found.values, shift)
        raise SettingsError(f"they do not belong to these data: {what}", where="atom_energies", fix=fix)
    if shift is not None and not BOUND[0] <= shift <= BOUND[1]:
        text = f"The energies of isolated atoms look wrong: {_absurd(frames, elements, found.values, shift)}"
        messages.append(Message(text))
    return AtomEnergies(found.values, found.origin, found.left_out, tuple(messages))


def _shift(frames: Sequence[Frame], values: Mapping[str, float]) -> float | None:
    """Return the median energy less that of the isolated atoms, eV/atom; None without energies."""
    from ase.data import atomic_numbers

    table = np.zeros(120)
    for element, value in values.items():
        table[atomic_numbers[element]] = value
    known = [(f.energy - table[f.numbers].sum()) / f.n_atoms for f in frames if f.energy is not None]
    return float(np.median(known)) if known else None


def _absurd(
    frames: Sequence[Frame], elements: Sequence[str], values: Mapping[str, float], shift: float
) -> str:
    """Say how far the data lie from the isolated atoms, with what a fit gives beside each element."""
    from nnpcore.training.data import fit_element_energies

    fitted = fit_element_energies(frames, elements)
    each = ", ".join(f"{e} {values[e]:.6g} eV, fitted {fitted[e]:.6g} eV" for e in elements)
    return (
        f"the data lie {shift:+.4g} eV/atom from them, matter lies between {BOUND[0]:g} and {BOUND[1]:g} "
        f"({each}); they may be of another method or count from another zero"
    )
