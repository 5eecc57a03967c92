"""The file format of potentials: ``potential.json``, which explains itself, and ``potential.safetensors``.

The description stands in the header of the tensors, too: these are a whole potential, and where a training
was killed between the two files the older JSON does not count.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np

from nnpcore.errors import PotentialError, RunFolderError
from nnpcore.files import FileFormat, read_regular, write_atomically
from nnpcore.installation import VERSION
from nnpcore.potential.baseline import NonlinearBaseline
from nnpcore.potential.ensemble import Ensemble
from nnpcore.potential.network import NetworkWeights
from nnpcore.potential.short_range import ShortRange
from nnpcore.tensor_files import parse_tensors, tensor_bytes

_AGAIN = "Take a fresh copy, or export the potential again from its run"
FORMAT = FileFormat(
    name="eatlas-potential", version=4, noun="an Eatlas potential", error=PotentialError, fix=_AGAIN
)
"""Version 4 where crowded atoms are lifted; 3 where a repulsion lies under the networks at short range; 2
where layers have activations of their own or quadratic terms or a kernel lie under them; else 1, which the
oldest versions read, too."""
JSON_NAME = "potential.json"
TENSORS_NAME = "potential.safetensors"
_DESCRIPTION = "description"
"""Text in the header of the tensors that says what potential.json says, all but their checksum."""
_METRIC = "data_whitening."
UNITS = {"length": "angstrom", "energy": "eV", "force": "eV/angstrom", "stress": "eV/angstrom^3"}
_FOREIGN = ("input.nn", "potential_saved")
"""Files by which folders of n2p2 and SIMPLE-NN are known."""


def save(potential: Ensemble, folder: str | Path) -> Path:
    """Write both files into ``folder`` (made where missing), each atomically; return the folder.

    Raises :class:`RunFolderError` where the folder cannot be written, :class:`PotentialError` where the
    weights are not finite.
    """
    folder = Path(folder)
    potential.weights.check()
    if potential.nonlinear_baseline is not None:
        potential.nonlinear_baseline.check(potential.weights.n_inputs)
    if potential.short_range is not None:
        potential.short_range.check(potential.elements, potential.cutoff)
    arrays = {k: np.ascontiguousarray(v, dtype=np.float64) for k, v in _arrays(potential).items()}
    description = _description(potential, arrays)
    tensors = tensor_bytes(arrays, {_DESCRIPTION: json.dumps(description, allow_nan=False)})
    file = {"file": TENSORS_NAME, "sha256": hashlib.sha256(tensors).hexdigest()}
    named = description | {"tensors": file | description["tensors"]}
    text = json.dumps(named, indent=1, ensure_ascii=False, allow_nan=False)
    write_atomically(folder / TENSORS_NAME, tensors)
    write_atomically(folder / JSON_NAME, (text + "\n").encode())
    return folder


def _arrays(potential: Ensemble) -> dict[str, np.ndarray]:
    whitening = {f"whitening.{name}": array for name, array in potential.whitening.to_arrays().items()}
    data = potential.data_whitening.to_arrays() if potential.data_whitening else {}
    metric = {f"{_METRIC}{name}": array for name, array in data.items()}
    baseline = {} if potential.nonlinear_baseline is None else potential.nonlinear_baseline.to_arrays()
    return {**whitening, **metric, **potential.weights.to_arrays(), **baseline}


def _description(potential: Ensemble, arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    weights = potential.weights
    sizes = {e: [weights.n_inputs, *(w.shape[2] for w, _ in net)] for e, net in weights.layers.items()}
    named_layers = {"activations": weights.activations} if weights.activations else {}
    baseline, below = potential.nonlinear_baseline, potential.short_range
    return {
        "format": FORMAT.name,
        "format_version": _version(below, bool(named_layers or baseline)),
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
        **({} if below is None else {"short_range": below.to_dict()}),
        "symmetry_functions": potential.functions.to_dict(),
        "tensors": {"shapes": {name: list(array.shape) for name, array in arrays.items()}},
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
        if any((folder / name).is_file() for name in (JSON_NAME, TENSORS_NAME)):
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
    file, tensors = folder / JSON_NAME, folder / TENSORS_NAME
    content = _content(tensors)
    own = _own_description(content)
    description, sha256 = own or {}, ""
    if file.is_file() or own is None:
        with FORMAT.reading(file) as named:
            sha256 = str(named["tensors"].pop("sha256"))
            named["tensors"].pop("file", None)
            description = named
    fits = sha256 == hashlib.sha256(content).hexdigest()
    if not fits and own is not None:  # killed between the two files
        description, file = own, tensors
    if not fits and own is None:
        what = "the checksum differs from the one in potential.json: the file is truncated or changed"
        raise PotentialError(what, where=str(tensors), fix=_AGAIN)
    with FORMAT.reading(description, where=str(file)):
        shapes = dict(description["tensors"]["shapes"])
    arrays = _read_tensors(content, tensors, shapes)
    with FORMAT.reading(description, where=str(file)):
        found = _assemble(description, arrays)
    if own is not None and description != own:
        what = "it was changed after it was written: the tensors' header says something else"
        raise PotentialError(what, where=str(file), fix=_AGAIN)
    _refuse_other_run(found.info, folder)
    return found


def refuse_newer(folder: Path) -> None:
    """Raise PotentialError where a newer Eatlas has written the potential in ``folder``."""
    try:
        version = json.loads(read_regular(folder / JSON_NAME))[FORMAT.version_key]
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return
    if isinstance(version, int) and version > FORMAT.version:
        with FORMAT.reading(folder / JSON_NAME):
            pass


def _content(path: Path) -> bytes:
    try:
        return read_regular(path)
    except OSError as error:
        raise PotentialError(f"cannot be read ({error.strerror})", where=str(path), fix=_AGAIN) from error


def _own_description(content: bytes) -> dict[str, Any] | None:
    """Return what the header of whole tensors says; None in files of version 0.2, and damaged ones."""
    try:
        _, texts = parse_tensors(content)
        found = json.loads(texts.get(_DESCRIPTION, "null"))
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) and isinstance(found.get("tensors"), dict) else None


def _refuse_other_run(info: dict[str, Any], folder: Path) -> None:
    """Raise PotentialError where a potential has come into the folder of another training."""
    mark = folder.parent / "data.json"
    if folder.name != "potential" or "run" not in info or not mark.is_file():
        return
    try:
        run = json.loads(read_regular(mark)).get("run")
    except (OSError, ValueError, AttributeError, RecursionError):
        return
    if run is not None and run != info["run"]:
        what = "it is of another training, of which files have come into this folder"
        raise PotentialError(what, where=str(folder), fix=_AGAIN)


def _read_tensors(data: bytes, path: Path, shapes: dict[str, list[int]]) -> dict[str, np.ndarray]:
    """Return the arrays after checking names, shapes, type and that every number is finite."""

    def problem(what: str) -> PotentialError:
        return PotentialError(what, where=str(path), fix=_AGAIN)

    try:
        arrays, _ = parse_tensors(data)
    except ValueError as error:
        raise problem(f"the file is {error}") from error
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
    below = None
    if "short_range" in description:
        below = ShortRange.from_dict(description["short_range"])
        below.check(functions.elements, functions.cutoff)
    info = dict(description["info"])
    return Ensemble(functions, whitening, weights, energies, info, data_whitening, baseline, below)


def _version(below: ShortRange | None, newer: bool) -> int:
    """Return the lowest version of the format that has all of a potential."""
    if below is not None:
        return FORMAT.version if below.crowding else 3
    return 2 if newer else 1


def _part(prefix: str, arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
