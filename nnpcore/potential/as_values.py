"""A model of atomic energies as plain values: the bytes of a potential, or which calculator to start."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from nnpcore.files import read_regular, write_atomically
from nnpcore.potential.external.model import CalculatorModel, CalculatorSpec
from nnpcore.potential.model import AtomicEnergyModel
from nnpcore.potential.potential import Potential
from nnpcore.potential.storage import TENSORS_NAME

_POTENTIAL, _CALCULATOR = "potential", "calculator"


def model_to_values(model: Potential | CalculatorSpec) -> dict[str, Any]:
    """Return what a model is made of; RunFolderError where there is no room for temporary files."""
    if isinstance(model, CalculatorSpec):
        return {_CALCULATOR: asdict(model)}
    with tempfile.TemporaryDirectory(prefix="eatlas-") as folder:
        return {_POTENTIAL: read_regular(model.save(folder) / TENSORS_NAME)}


@contextmanager
def model_from_values(values: Mapping[str, Any], name: str = "") -> Iterator[AtomicEnergyModel]:
    """Give the model of :func:`model_to_values`, called ``name``; a calculator's process ends with the
    context.
    """
    if _CALCULATOR in values:
        with CalculatorModel(CalculatorSpec.from_dict(values[_CALCULATOR]), name=name) as model:
            yield model
        return
    with tempfile.TemporaryDirectory(prefix="eatlas-") as folder:
        write_atomically(Path(folder) / TENSORS_NAME, values[_POTENTIAL])
        potential = Potential.load(folder)
    yield replace(potential, info=potential.info | {"name": name}) if name else potential
