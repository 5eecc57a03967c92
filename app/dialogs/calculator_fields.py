"""The fields that choose a calculator: a reference potential, or any of ASE's by its import path."""

from __future__ import annotations

from typing import Any

from PySide6.QtWidgets import QWidget

from app.dialogs.fields import Section, choice, line
from app.workers.foreign import CalculatorChoice
from nnpcore.errors import PotentialError, SettingsError
from nnpcore.potential.external.model import CalculatorSpec
from nnpcore.potential.external.process import interpreter

REFERENCES = (
    ("Stillinger-Weber silicon", "stillinger-weber"),
    ("Second-moment nickel (Cleri-Rosato)", "cleri-rosato"),
)
ANY, NONE = "any", "none"
KNOWN = (
    "ase.calculators.emt:EMT",
    "ase.calculators.lj:LennardJones",
    "ase.calculators.morse:MorsePotential",
    "mace.calculators:mace_mp",
    "chgnet.model:CHGNetCalculator",
)
FOREIGN = ("import_path", "arguments", "python")
PATH_TIP = (
    "Where Python finds it: package.module:Name, a class or a function that returns a calculator. "
    "It runs in a process of its own."
)
PYTHON_TIP = (
    "The Python that has the calculator, where its packages clash with those here: env/bin/python, or the "
    "environment's folder. Eatlas need not be installed there, only NumPy and ASE."
)
ARGUMENTS_TIP = 'Keyword arguments as a JSON object, such as {"model": "small", "device": "cpu"}'


def add_calculator(section: Section, parent: QWidget, *, none_text: str = "") -> None:
    """Add the fields "calculator", "import_path", "arguments" and "python"."""
    items = [*REFERENCES, ("Any ASE calculator…", ANY)]
    if none_text:
        items.append((none_text, NONE))
    section.add("calculator", "Calculator", choice(parent, items), "Computes energies and forces", wide=True)
    add_foreign(section, parent)


def add_foreign(section: Section, parent: QWidget, paths: tuple[str, ...] = KNOWN) -> None:
    """Add the fields "import_path", "arguments" and "python"."""
    box = choice(parent, [(path, path) for path in paths], editable=True)
    edit = box.lineEdit()
    assert edit is not None
    edit.setPlaceholderText("package.module:Name")
    section.add("import_path", "Import path", box, PATH_TIP, wide=True)
    arguments = line(parent, "", '{"name": value, …} or empty')
    section.add("arguments", "Arguments", arguments, ARGUMENTS_TIP, wide=True)
    python = line(parent, "", "this one; or an environment's folder")
    section.add("python", "Python", python, PYTHON_TIP, wide=True)


def chosen(values: dict[str, Any]) -> CalculatorChoice:
    """Return what the fields choose; SettingsError, at the field, where it makes no sense."""
    name = values["calculator"]
    if name == NONE:
        return CalculatorChoice()
    if name != ANY:
        return CalculatorChoice(reference=name)
    return CalculatorChoice(spec=spec_of(values))


def spec_of(values: dict[str, Any], name: str = "") -> CalculatorSpec:
    """Return the calculator of the fields; SettingsError, at the field, where there is none."""
    path = values["import_path"]
    if not path:
        raise SettingsError("no calculator is given", where="import_path", fix="Write package.module:Name")
    python = values["python"].strip()
    if python:
        try:
            interpreter(python)
        except PotentialError as error:
            raise SettingsError(error.what, where="python", fix=error.fix) from None
    try:
        return CalculatorSpec.from_text(path, values["arguments"], name, python)
    except SettingsError as error:
        field = "import_path" if error.where == "calculator" else "arguments"
        raise SettingsError(error.what, where=field, fix=error.fix) from None
