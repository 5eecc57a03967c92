"""What ``input.nn`` says about a finished potential; training keywords are passed over."""

from __future__ import annotations

from dataclasses import dataclass

from nnpcore.descriptors.functions import SymmetryFunction
from nnpcore.descriptors.shapes import CUTOFF_FUNCTIONS
from nnpcore.exchange.foreign_text import ForeignText, Line
from nnpcore.exchange.n2p2.conventions import LETTERS, Units
from nnpcore.exchange.n2p2.function_lines import CutoffChoice, cutoff_choice, read_function, sorted_order

_MANY = ("symfunction_short", "atom_energy", "element_nodes_short")
_REFUSED = {
    "use_electrostatics": "an electrostatic part",
    "use_vdw": "a van der Waals part",
    "global_symfunction_short": "functions for all elements in one line (n2p2 does not read them either)",
    "element_symfunction_short": "functions for one element in one line (n2p2 does not read them either)",
    "element_hidden_layers_short": "another number of layers for one element",
    "element_activation_short": "another activation for one element",
}
_NORMALIZATION = ("mean_energy", "conv_energy", "conv_length")
_CHARGES = {
    "symfunction_electrostatic",
    "electrostatic_type",
    "use_fixed_charges",
    "fixed_charge",
    "fixed_gausswidth",
    "initial_hardness",
    "screen_electrostatics",
    "use_electrostatic_nn",
    "global_nodes_electrostatic",
    "element_symfunction_electrostatic",
    "global_symfunction_electrostatic",
}
"""Keywords of networks that predict charges."""
_RUNNER = {
    "scale_min_short_atomic": "scale_min_short",
    "scale_max_short_atomic": "scale_max_short",
    "nn_type_short": "nnp_type_short",
    "inner_cutoff_ratio": "cutoff_alpha",
}
"""RuNNer's names of keywords -> n2p2's."""
_PAIRS = ("symfunction_pair", "global_symfunction_pair", "global_nodes_pair", "use_pairs")
"""RuNNer's keywords of networks for pairs of atoms."""
_GENERATIONS = ("nnp_type", "nn_type", "nnp_generation", "nnp_gen")
_SHORT_RANGED = ("2", "2G", "2G-HDNNP")


@dataclass(frozen=True)
class N2p2Settings:
    """What evaluating the potential needs.

    Attributes
    ----------
    functions : by element, elements by atomic number, functions in n2p2's order, of distances in Å.
    nodes : widths of the hidden layers by element. activations : names, the output's included.
    scaling : a key of ``SCALINGS``; low, high : what the smallest and largest values are scaled to.
    atom_energy : by element; mean_energy, conv_energy : E = E_network / conv_energy + mean_energy.
    """

    functions: dict[str, tuple[SymmetryFunction, ...]]
    nodes: dict[str, tuple[int, ...]]
    activations: tuple[str, ...]
    scaling: str
    low: float
    high: float
    atom_energy: dict[str, float]
    mean_energy: float
    conv_energy: float
    normalize_nodes: bool


class _Keywords:
    """The lines of input.nn by keyword."""

    def __init__(self, text: ForeignText) -> None:
        self.text = text
        self.lines: dict[str, list[Line]] = {}
        for line in text.lines:
            word = line.words[0]
            keyword = f"{word}_short" if f"{word}_short" in _WITHOUT_SHORT else _RUNNER.get(word, word)
            before = self.lines.setdefault(keyword, [])
            if before and keyword not in _MANY and keyword in _USED:
                raise text.problem(
                    line.number,
                    f"'{line.words[0]}' is given twice, first in line {before[0].number}",
                    "Keep one of the two lines",
                )
            before.append(line)

    def has(self, keyword: str) -> bool:
        return keyword in self.lines

    def line(self, keyword: str) -> Line:
        if keyword not in self.lines:
            raise self.text.problem(None, f"the keyword '{keyword}' is missing")
        return self.lines[keyword][0]

    def number(self, keyword: str, default: float) -> float:
        return self.text.number(self.line(keyword), 1, keyword) if self.has(keyword) else default


_USED = {
    "number_of_elements",
    "elements",
    "cutoff_type",
    "cutoff_alpha",
    "scale_symmetry_functions",
    "center_symmetry_functions",
    "scale_symmetry_functions_sigma",
    "scale_min_short",
    "scale_max_short",
    "global_hidden_layers_short",
    "global_nodes_short",
    "global_activation_short",
    "normalize_nodes",
    *_NORMALIZATION,
}
_WITHOUT_SHORT = {word for word in (*_USED, *_MANY, *_REFUSED) if word.endswith("_short")}
"""Keywords that newer files write without their end."""


def read_settings(text: ForeignText, units: Units) -> N2p2Settings:
    """Read input.nn; PotentialError names the line that is missing, contradictory or not to be had."""
    keywords = _Keywords(text)
    _refuse_others(keywords)
    elements = _elements(keywords)
    n_hidden = text.integer(keywords.line("global_hidden_layers_short"), 1, "number of hidden layers")
    if n_hidden < 1:
        raise text.problem(keywords.line("global_hidden_layers_short").number, "there is no hidden layer")
    mean, conversion = _normalization(keywords)
    scaling = _scaling(keywords)
    low, high = _range(keywords, scaling)
    _refuse_what_programs_read_differently(keywords, scaling, (low, high))
    return N2p2Settings(
        functions=_functions(keywords, elements, units),
        nodes=_nodes(keywords, elements, n_hidden),
        activations=_activations(keywords, n_hidden),
        scaling=scaling,
        low=low,
        high=high,
        atom_energy=_atom_energies(keywords, elements),
        mean_energy=mean,
        conv_energy=conversion,
        normalize_nodes=keywords.has("normalize_nodes"),
    )


def _refuse_others(keywords: _Keywords) -> None:
    """Refuse by name what would change the energy and is not to be had here."""
    fix = "Eatlas reads short-range potentials of one energy network an element"
    for keyword, meaning in _REFUSED.items():
        if keywords.has(keyword):
            raise keywords.text.problem(keywords.line(keyword).number, f"'{keyword}' asks for {meaning}", fix)
    for keyword in sorted(_CHARGES & set(keywords.lines)):
        raise keywords.text.problem(keywords.line(keyword).number, f"'{keyword}' asks for charges", fix)
    for keyword in _GENERATIONS:
        line = keywords.line(keyword) if keywords.has(keyword) else None
        if line and keywords.text.word(line, 1, keyword).upper() not in _SHORT_RANGED:
            raise keywords.text.problem(line.number, f"{keyword} {line.words[1]} needs charges", fix)
    for keyword in _PAIRS:
        if keywords.has(keyword):
            raise keywords.text.problem(
                keywords.line(keyword).number, f"'{keyword}' asks for networks of pairs", fix
            )
    if keywords.has("nnp_type_short") and keywords.number("nnp_type_short", 1.0) != 1:
        raise keywords.text.problem(keywords.line("nnp_type_short").number, "it is no network for atoms", fix)


def _refuse_what_programs_read_differently(
    keywords: _Keywords, scaling: str, ends: tuple[float, float]
) -> None:
    """Refuse lines of RuNNer's files, known by ``runner_mode``, that n2p2 takes for something else."""
    if not keywords.has("runner_mode"):
        return
    energies = keywords.lines.get("atom_energy", [])
    counts = any(keywords.text.number(line, 2, "atom_energy") != 0 for line in energies)
    if counts and not keywords.has("remove_atom_energies"):
        raise keywords.text.problem(
            energies[0].number,
            "RuNNer adds 'atom_energy' only with 'remove_atom_energies', which is missing; n2p2 always does",
            "Trained by RuNNer: delete the lines atom_energy. Trained by n2p2: delete runner_mode",
        )
    if scaling == "scale-center" and ends != (0.0, 1.0):
        raise keywords.text.problem(
            keywords.line("center_symmetry_functions").number,
            f"centered inputs are scaled from {ends[0]:g} to {ends[1]:g} by n2p2, from 0 to 1 by RuNNer",
            "Trained by RuNNer: let scale_min be 0 and scale_max 1. Trained by n2p2: delete runner_mode",
        )


def _cutoff_choice(keywords: _Keywords) -> CutoffChoice:
    """Return the cutoff function; the inner part stands behind its number or in ``cutoff_alpha``."""
    text, line = keywords.text, keywords.line("cutoff_type")
    number = text.integer(line, 1, "cutoff_type")
    if not 0 <= number < len(CUTOFF_FUNCTIONS):
        fix = f"Eatlas reads 0 to {len(CUTOFF_FUNCTIONS) - 1}"
        raise text.problem(line.number, f"cutoff_type {number} is not to be had", fix)
    behind = text.number(line, 2, "inner cutoff") if len(line.words) > 2 else None
    inner = keywords.number("cutoff_alpha", behind or 0.0)
    if behind is not None and inner != behind:
        raise text.problem(line.number, f"the inner cutoff is {behind:g}, but cutoff_alpha is {inner:g}")
    if not 0 <= inner < 1:
        raise text.problem(line.number, f"the inner cutoff must be from 0 to below 1, not {inner:g}")
    return cutoff_choice(number, inner)


def _elements(keywords: _Keywords) -> list[str]:
    from ase.data import atomic_numbers

    line, count = keywords.line("elements"), keywords.line("number_of_elements")
    found = line.words[1:]
    keywords.text.check_elements(line)
    if keywords.text.integer(count, 1, "number_of_elements") != len(found) or len(set(found)) != len(found):
        raise keywords.text.problem(
            count.number, f"number_of_elements is {count.words[1]}, but elements are {' '.join(found)}"
        )
    return sorted(found, key=atomic_numbers.__getitem__)


def _functions(
    keywords: _Keywords, elements: list[str], units: Units
) -> dict[str, tuple[SymmetryFunction, ...]]:
    text, choice = keywords.text, _cutoff_choice(keywords)
    lines: dict[str, dict[SymmetryFunction, int]] = {e: {} for e in elements}
    for line in keywords.lines.get("symfunction_short", []):
        center = text.word(line, 1, "central element")
        if center not in lines:
            raise text.problem(line.number, f"'{center}' is not among the elements")
        function = read_function(text, line, elements, choice)
        if units.length != 1.0:
            function = function.in_unit(units.length)
        text.add_function(line, function, lines[center])
    for element, functions in lines.items():
        if not functions:
            raise text.problem(None, f"there are no symmetry functions for {element}")
    listed = {element: list(functions) for element, functions in lines.items()}
    return {e: tuple(own[k] for k in sorted_order(own, elements)) for e, own in listed.items()}


def _nodes(keywords: _Keywords, elements: list[str], n_hidden: int) -> dict[str, tuple[int, ...]]:
    text, line = keywords.text, keywords.line("global_nodes_short")
    if len(line.words) - 1 != n_hidden:
        raise text.problem(
            line.number, f"{len(line.words) - 1} widths for {n_hidden} hidden layers (global_nodes_short)"
        )
    common = [text.integer(line, k + 1, "width") for k in range(n_hidden)]
    found = {e: list(common) for e in elements}
    for own in keywords.lines.get("element_nodes_short", []):
        element = text.word(own, 1, "element")
        layer = text.integer(own, 2, "layer")
        if element not in found or not 1 <= layer <= n_hidden or len(own.words) != 4:
            raise text.problem(own.number, "wanted: element_nodes_short, element, hidden layer, width")
        found[element][layer - 1] = text.integer(own, 3, "width")
    if any(width < 1 for widths in found.values() for width in widths):
        raise text.problem(line.number, "a layer has no neurons")
    return {e: tuple(widths) for e, widths in found.items()}


def _activations(keywords: _Keywords, n_hidden: int) -> tuple[str, ...]:
    text, line = keywords.text, keywords.line("global_activation_short")
    letters = line.words[1:]
    if len(letters) not in (n_hidden, n_hidden + 1):
        raise text.problem(
            line.number, f"{len(letters)} activations for {n_hidden} hidden layers and the output"
        )
    for letter in letters:
        if letter not in LETTERS:
            raise text.problem(
                line.number,
                f"the activation '{letter}' is not to be had",
                f"Eatlas reads {' '.join(LETTERS)}",
            )
    names = [LETTERS[letter] for letter in letters]
    return tuple(names if len(names) > n_hidden else [*names, "identity"])


def _scaling(keywords: _Keywords) -> str:
    """As n2p2 chooses: sigma counts only where neither of the other two is given."""
    scale, center = keywords.has("scale_symmetry_functions"), keywords.has("center_symmetry_functions")
    if scale or center:
        return "scale-center" if scale and center else "scale" if scale else "center"
    return "sigma" if keywords.has("scale_symmetry_functions_sigma") else "none"


def _range(keywords: _Keywords, scaling: str) -> tuple[float, float]:
    """Return what the smallest and largest values are scaled to."""
    low, high = keywords.number("scale_min_short", 0.0), keywords.number("scale_max_short", 1.0)
    if low == high and scaling not in ("none", "center"):
        at = "scale_min_short" if keywords.has("scale_min_short") else "scale_max_short"
        what = f"scale_min_short and scale_max_short are both {low:g}: all inputs would be the same"
        raise keywords.text.problem(keywords.line(at).number, what)
    return low, high


def _atom_energies(keywords: _Keywords, elements: list[str]) -> dict[str, float]:
    found: dict[str, float] = {}
    for line in keywords.lines.get("atom_energy", []):
        element = keywords.text.word(line, 1, "element")
        if element not in elements or element in found:
            what = "has two lines" if element in found else "is not among the elements"
            raise keywords.text.problem(line.number, f"atom_energy: '{element}' {what}")
        found[element] = keywords.text.number(line, 2, "atom_energy")
    return found


def _normalization(keywords: _Keywords) -> tuple[float, float]:
    """Return (mean energy, conversion of energies); the conversion of lengths drops out."""
    given = [keyword for keyword in _NORMALIZATION if keywords.has(keyword)]
    if not given:
        return 0.0, 1.0
    missing = [keyword for keyword in _NORMALIZATION if keyword not in given]
    if missing:
        line = keywords.line(given[0])
        raise keywords.text.problem(
            line.number,
            f"'{given[0]}' without '{missing[0]}': normalization needs all of {', '.join(_NORMALIZATION)}",
        )
    conversion = keywords.number("conv_energy", 1.0)
    if conversion <= 0 or keywords.number("conv_length", 1.0) <= 0:
        raise keywords.text.problem(
            keywords.line("conv_energy").number, "conv_energy and conv_length must be positive"
        )
    return keywords.number("mean_energy", 0.0), conversion
