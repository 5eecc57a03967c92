"""The file format of potentials: ``potential.json``, which explains itself, and ``potential.safetensors``."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np

from nnpcore.errors import PotentialError, RunFolderError
from nnpcore.files import FileFormat, write_atomically
from nnpcore.installation import VERSION
from nnpcore.potential.baseline import NonlinearBaseline
from nnpcore.potential.ensemble import Ensemble
from nnpcore.potential.network import NetworkWeights

_AGAIN = "Take a fresh copy, or export the potential again from its run"
FORMAT = FileFormat(
    name="eatlas-potential", version=2, noun="an Eatlas potential", error=PotentialError, fix=_AGAIN
)
"""Version 2 where layers have activations of their own or quadratic terms or a kernel lie under the networks,
else 1, which older versions read, too."""
JSON_NAME = "potential.json"
TENSORS_NAME = "potential.safetensors"
_METRIC = "data_whitening."
UNITS = {"length": "angstrom", "energy": "eV", "force": "eV/angstrom", "stress": "eV/angstrom^3"}
_FOREIGN = ("input.nn", "potential_saved")
"""Files by which folders of n2p2 and SIMPLE-NN are known."""


def save(potential: Ensemble, folder: str | Path) -> Path:
    """Write both files into ``folder`` (made where missing), each atomically; return the folder.

    Raises :class:`RunFolderError` where the folder cannot be written, :class:`PotentialError` where the
    weights are not finite.
    """
    from safetensors.numpy import save as to_bytes

    folder = Path(folder)
    potential.weights.check()
    if potential.nonlinear_baseline is not None:
        potential.nonlinear_baseline.check(potential.weights.n_inputs)
    arrays = {k: np.ascontiguousarray(v, dtype=np.float64) for k, v in _arrays(potential).items()}
    tensors = to_bytes(arrays)
    text = json.dumps(_description(potential, arrays, tensors), indent=1, ensure_ascii=False, allow_nan=False)
    write_atomically(folder / TENSORS_NAME, tensors)
    write_atomically(folder / JSON_NAME, (text + "\n").encode())
    return folder


def _arrays(potential: Ensemble) -> dict[str, np.ndarray]:
    whitening = {f"whitening.{name}": array for name, array in potential.whitening.to_arrays().items()}
    data = potential.data_whitening.to_arrays() if potential.data_whitening else {}
    metric = {f"{_METRIC}{name}": array for name, array in data.items()}
    baseline = {} if potential.nonlinear_baseline is None else potential.nonlinear_baseline.to_arrays()
    return {**whitening, **metric, **potential.weights.to_arrays(), **baseline}


def _description(potential: Ensemble, arrays: dict[str, np.ndarray], tensors: bytes) -> dict[str, Any]:
    weights = potential.weights
    sizes = {e: [weights.n_inputs, *(w.shape[2] for w, _ in net)] for e, net in weights.layers.items()}
    named_layers = {"activations": weights.activations} if weights.activations else {}
    baseline = potential.nonlinear_baseline
    return {
        "format": FORMAT.name,
        "format_version": FORMAT.version if named_layers or baseline else 1,
        "written_by": f"Eatlas {VERSION}",
        "units": UNITS,
        "dtype": "float64",
        "elements": list(potential.elements),
        "element_energies": {e: float(v) for e, v in potential.element_energies.items()},
        "cutoff": potential.cutoff,
        "n_members": potential.n_members,
        "network": {
            "activation": weights.activation,
            "layer_sizes": sizes,
            "skip": weights.skip is not None,
            **named_layers,
        },
        **({} if baseline is None else {"smooth": {"kind": baseline.kind}}),
        "symmetry_functions": potential.functions.to_dict(),
        "tensors": {
            "file": TENSORS_NAME,
            "sha256": hashlib.sha256(tensors).hexdigest(),
            "shapes": {name: list(array.shape) for name, array in arrays.items()},
        },
        "info": potential.info,
    }


def find_folder(path: str | Path) -> Path:
    """Return the potential folder ``path`` means: itself, a run folder's ``potential/``, or its JSON file.

    Raises :class:`RunFolderError` for anything else.
    """
    path = Path(path)
    if path.name == JSON_NAME and path.is_file():
        return path.parent
    for folder in (path, path / "potential"):
        if (folder / JSON_NAME).is_file():
            return folder
    if not path.exists():
        what, fix = "no such file or folder", "Check the path"
    elif (path / "settings.toml").is_file():
        what, fix = "this run has no potential yet", "Train it for at least one epoch"
    else:
        what = f"neither a potential (with {JSON_NAME}) nor a run folder (with potential/{JSON_NAME})"
        fix = "Choose a folder that Eatlas has written"
        if any((path / member / name).is_file() for member in (".", "member-1") for name in _FOREIGN):
            fix = f"Import it first: eatlas import {path} -o RUN"
    raise RunFolderError(what, where=str(path), fix=fix)


def load(path: str | Path) -> Ensemble:
    """Read a potential from its folder or a run folder and check everything in it.

    Raises :class:`RunFolderError` where the folder is neither, :class:`PotentialError` where a file is
    damaged, incomplete or written by a newer version.
    """
    folder = find_folder(path)
    file = folder / JSON_NAME
    with FORMAT.reading(file) as description:
        sha256, shapes = str(description["tensors"]["sha256"]), dict(description["tensors"]["shapes"])
    arrays = _read_tensors(folder / TENSORS_NAME, sha256, shapes)
    with FORMAT.reading(description, where=str(file)):
        return _assemble(description, arrays)


def _read_tensors(path: Path, sha256: str, shapes: dict[str, list[int]]) -> dict[str, np.ndarray]:
    """Return the arrays after checking checksum, names, shapes, type and that every number is finite."""
    from safetensors import SafetensorError
    from safetensors.numpy import load as from_bytes

    def problem(what: str) -> PotentialError:
        return PotentialError(what, where=str(path), fix=_AGAIN)

    try:
        data = path.read_bytes()
    except OSError as error:
        raise problem(f"cannot be read ({error.strerror})") from error
    if hashlib.sha256(data).hexdigest() != sha256:
        raise problem("the checksum differs from the one in potential.json: the file is truncated or changed")
    try:
        arrays = from_bytes(data)
    except SafetensorError as error:
        raise problem(f"is not a valid safetensors file ({error})") from error
    for name, shape in shapes.items():
        if name not in arrays:
            raise problem(f"the tensor '{name}' is missing")
        if list(arrays[name].shape) != list(shape) or arrays[name].dtype != np.float64:
            found = f"{arrays[name].dtype} {arrays[name].shape}"
            raise problem(f"the tensor '{name}' is {found}, wanted float64 {tuple(shape)}")
        if not np.isfinite(arrays[name]).all():
            raise problem(f"the tensor '{name}' holds values that are not finite numbers")
    return arrays


def _assemble(description: dict[str, Any], arrays: dict[str, np.ndarray]) -> Ensemble:
    from nnpcore.descriptors import SymmetryFunctions, Whitening

    functions = SymmetryFunctions.from_dict(description["symmetry_functions"])
    if list(functions.elements) != list(description["elements"]):
        raise PotentialError(
            f"elements are {description['elements']}, but the symmetry functions are for {functions.elements}"
        )
    network = description["network"]
    n_layers = {e: len(network["layer_sizes"][e]) - 1 for e in functions.elements}
    named_layers = network.get("activations")
    activations = {e: tuple(map(str, named_layers[e])) for e in n_layers} if named_layers else None
    weights = NetworkWeights.from_arrays(network["activation"], n_layers, arrays, activations)
    weights.check()
    whitening = Whitening.from_arrays(_part("whitening.", arrays))
    metric = _part(_METRIC, arrays)
    energies = {e: float(description["element_energies"][e]) for e in functions.elements}
    if weights.n_members != description["n_members"] or weights.n_inputs != functions.n_descriptors:
        raise PotentialError(
            f"the network has {weights.n_members} members and {weights.n_inputs} inputs, wanted "
            f"{description['n_members']} and {functions.n_descriptors}"
        )
    if not all(np.isfinite(v) for v in energies.values()):
        raise PotentialError("an element energy is not a finite number")
    data_whitening = Whitening.from_arrays(metric) if metric else None
    baseline = None
    if "smooth" in description:
        baseline = NonlinearBaseline.from_arrays(description["smooth"]["kind"], functions.elements, arrays)
        baseline.check(weights.n_inputs)
    info = dict(description["info"])
    return Ensemble(functions, whitening, weights, energies, info, data_whitening, baseline)


def _part(prefix: str, arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
