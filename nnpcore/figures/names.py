"""Names of axes and columns, in one form everywhere: quantity, then its unit in brackets, "Volume (Å³/atom)".

Axes of the window, of figures and of tables take theirs from here. A column's head is the axis's name with a
small first letter. What has no unit has no brackets.
"""

from __future__ import annotations

from nnpcore.training.quantities import QUANTITIES


def axis_name(quantity: str, unit: str = "") -> str:
    """Return the name of an axis: "Volume", "Å³/atom" becomes "Volume (Å³/atom)"."""
    return f"{quantity} ({unit})" if unit else quantity


def column_name(text: str) -> str:
    """Return an axis's name as a column's head: "Volume (Å³/atom)" becomes "volume (Å³/atom)"."""
    return text[:1].lower() + text[1:] if text[1:2].isascii() and text[1:2].islower() else text


EPOCH = "Epoch"
VOLUME = axis_name("Volume", "Å³/atom")
TRAINING_DISTANCE = "Distance to the training set"
PAIR_DISTANCE = axis_name("Distance", "Å")
RMSES = {name: axis_name(f"{name.capitalize()} RMSE", known.unit) for name, known in QUANTITIES.items()}
SHORT_RMSES = {name: axis_name(name[0].upper(), known.unit) for name, known in QUANTITIES.items()}
ERROR = axis_name("Error", "meV/atom")
ABSOLUTE_ERROR = axis_name("|Error|", "meV/atom")
ATOMIC_ENERGY_ERRORS = (axis_name("|Eₐₜ error|", "meV/atom"), axis_name("|Eₐₜ error|", "meV"))
"""The mapping error where there is less room."""
MAPPING_ERROR = axis_name("Mapping error", "meV/atom")
ABSOLUTE_MAPPING_ERROR = axis_name("|Mapping error|", "meV/atom")
FORETOLD_SPREAD = axis_name("Foretold spread", "meV/atom")
SPREAD_AND_ERROR = axis_name("Spread, |error|", "meV/atom")
TARGETS = axis_name("Targets, root mean square", "meV/atom")
SHORT_TARGETS = axis_name("Targets", "meV/atom")

PARITY = {
    "energy": (axis_name("Reference energy", "meV/atom"), axis_name("Predicted energy", "meV/atom")),
    "force": (axis_name("Reference force", "eV/Å"), axis_name("Predicted force", "eV/Å")),
    "atomic": (axis_name("Reference atomic energy", "meV"), axis_name("Predicted atomic energy", "meV")),
}
"""Along x and y."""
