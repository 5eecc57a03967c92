"""The file of a posterior: arrays as safetensors; what they mean stands as JSON in the header."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from nnpcore.descriptors import SymmetryFunctions
from nnpcore.errors import DataError
from nnpcore.files import FileFormat
from nnpcore.installation import VERSION
from nnpcore.posterior.basis import SparseBasis
from nnpcore.posterior.evidence import Hyperparameters, Solution
from nnpcore.posterior.fitting import Fitted
from nnpcore.posterior.moments import Moments
from nnpcore.tensor_files import read_tensors, write_tensors
from nnpcore.threads import one_blas_thread

_AGAIN = "Take a fresh copy, or fit the posterior again"
FORMAT = FileFormat(name="eatlas-posterior", version=1, noun="a posterior", error=DataError, fix=_AGAIN)
UNITS = {"length": "angstrom", "energy": "eV", "force": "eV/angstrom", "stress": "eV/angstrom^3"}
_DESCRIPTION = "description"
_BASIS, _MOMENTS = "basis.", "moments."


def save(posterior: Fitted, kinds: tuple[str, ...], path: str | Path) -> None:
    """See :meth:`nnpcore.posterior.Posterior.save`."""
    arrays = {f"{_BASIS}{name}": array for name, array in posterior.basis.to_arrays().items()}
    for kind, sums in posterior.moments.items():
        arrays |= {f"{_MOMENTS}{kind}.matrix": sums.matrix, f"{_MOMENTS}{kind}.vector": sums.vector}
    solution = posterior.solution
    arrays |= {
        "zeros": posterior.zeros,
        "scatter": posterior.scatter,
        "precision": solution.precision,
        "coefficients": solution.coefficients,
    }
    arrays = {name: np.ascontiguousarray(array, dtype=np.float64) for name, array in arrays.items()}
    description = FORMAT.mark | {
        "written_by": f"Eatlas {VERSION}",
        "units": UNITS,
        "symmetry_functions": posterior.basis.functions.to_dict(),
        "hyperparameters": vars(posterior.hyper) | {k: dict(v) for k, v in _by_kind(posterior.hyper)},
        "kinds": list(kinds),
        "moments": {kind: {"square": s.square, "n": s.n} for kind, s in posterior.moments.items()},
        "misfit": posterior.misfit,
        "n_frames": posterior.n_frames,
    }
    write_tensors(Path(path), arrays, {_DESCRIPTION: json.dumps(description, allow_nan=False)})


def _by_kind(hyper: Hyperparameters) -> list[tuple[str, Any]]:
    return [("noise", hyper.noise), ("tempering", hyper.tempering)]


def load(path: str | Path) -> tuple[Fitted, tuple[str, ...]]:
    """See :meth:`nnpcore.posterior.Posterior.load`."""
    where = str(path)
    try:
        arrays, texts = read_tensors(Path(path))
        description = json.loads(texts.get(_DESCRIPTION, "null"))
    except OSError as error:
        raise DataError(f"cannot be read ({error.strerror})", where=where, fix=_AGAIN) from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"the file is {error}", where=where, fix=_AGAIN) from error
    if not isinstance(description, dict):
        raise DataError("the file does not hold a posterior", where=where, fix=_AGAIN)
    with FORMAT.reading(description, where=where) as found, one_blas_thread():
        functions = SymmetryFunctions.from_dict(found["symmetry_functions"])
        basis = SparseBasis.from_arrays(functions, _part(_BASIS, arrays))
        _check(arrays, basis, list(found["moments"]))
        hyper = Hyperparameters(**found["hyperparameters"])
        moments = {
            kind: Moments(
                arrays[f"{_MOMENTS}{kind}.matrix"],
                arrays[f"{_MOMENTS}{kind}.vector"],
                float(sums["square"]),
                int(sums["n"]),
            )
            for kind, sums in found["moments"].items()
        }
        solution = Solution.factorised(arrays["precision"], arrays["coefficients"])
        n_frames, misfit = int(found["n_frames"]), float(found.get("misfit", 0.0))
        read = Fitted(basis, hyper, arrays["zeros"], moments, arrays["scatter"], solution, misfit, n_frames)
        return read, tuple(found["kinds"])


def _part(prefix: str, arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}


def _check(arrays: dict[str, np.ndarray], basis: SparseBasis, kinds: list[str]) -> None:
    """Raise ValueError where an array has another shape or type than it should, or is not finite."""
    m = basis.size
    shapes = {"zeros": (len(basis.elements),), "scatter": (m, m), "precision": (m, m), "coefficients": (m,)}
    for kind in kinds:
        shapes |= {f"{_MOMENTS}{kind}.matrix": (m, m), f"{_MOMENTS}{kind}.vector": (m,)}
    for element, own in zip(basis.functions.elements, basis.elements, strict=True):
        if own is not None:
            n, k = basis.functions.count(element), len(own.centers)
            name = f"{_BASIS}{element}."
            shapes |= {f"{name}mean": (n,), f"{name}scale": (n,), f"{name}centers": (k, n)}
            shapes |= {f"{name}turn": (k, own.size - 1)}
    for name, shape in shapes.items():
        if arrays[name].shape != shape:
            raise ValueError(f"the tensor '{name}' has the shape {arrays[name].shape}, wanted {shape}")
    for name, array in arrays.items():
        if array.dtype != np.float64 or not np.isfinite(array).all():
            raise ValueError(f"the tensor '{name}' holds values that are not finite numbers")
