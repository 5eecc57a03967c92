"""The far side of a foreign calculator: building it, asking it, and the process that does only that.

Run as ``python -m nnpcore.potential.external.worker`` it speaks over standard input and output: a message is
a line of JSON, then its arrays as NumPy's npz. Nothing that could run code travels either way. Whatever
the foreign code prints goes to standard error.

It may run in another Python that has NumPy and ASE but neither Eatlas nor its libraries (see ``process.py``):
besides ``nnpcore.errors`` nothing of Eatlas is imported here.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Mapping
from typing import IO, Any

import numpy as np

from nnpcore.errors import EatlasError, PotentialError

ENERGY_NAMES = ("energies", "atomic_energies", "node_energy", "site_energies")
"""Names under which calculators keep the energies of single atoms; ASE's own comes first."""

INPUT_ARRAYS = ("initial_charges", "initial_magmoms")
INPUT_VALUES = ("charge", "spin")
"""What else of a frame some calculators look at."""

_COLORS = re.compile(r"\x1b\[[0-9;]*m")
Arrays = dict[str, np.ndarray]


def write_message(stream: IO[bytes], body: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> None:
    """Write one message: a JSON object and named arrays of numbers."""
    numbers = b""
    if arrays:
        packed = io.BytesIO()
        checked: dict[str, Any] = {name: _numbers(values) for name, values in arrays.items()}
        np.savez(packed, **checked)
        numbers = packed.getvalue()
    stream.write(json.dumps({"body": body, "size": len(numbers)}).encode() + b"\n" + numbers)
    stream.flush()


def _numbers(values: Any) -> np.ndarray:
    """Return an array of numbers; ValueError for anything that would have to be pickled."""
    array = np.asarray(values, order="C")
    if array.dtype.kind not in "biuf":
        raise ValueError(f"an array of {array.dtype} holds no numbers")
    return array


def read_message(stream: IO[bytes]) -> tuple[dict[str, Any], Arrays]:
    """Read one message; EOFError where the stream ends or holds something else."""
    try:
        head = json.loads(stream.readline())
        packed = stream.read(head["size"])
        if not packed:
            return head["body"], {}
        with np.load(io.BytesIO(packed), allow_pickle=False) as found:
            return head["body"], {name: found[name] for name in found.files}
    except (ValueError, TypeError, LookupError, OSError, zipfile.BadZipFile) as error:
        raise EOFError("no message") from error


def build_calculator(import_path: str, arguments: Mapping[str, Any], python: str = "") -> Any:
    """Import "package.module:Name" and call it with the arguments; ``python`` is where, for messages.

    Raises
    ------
    PotentialError
        When the module or name is not there, the call fails, or what comes back is no ASE calculator.
    """
    import importlib

    module_name, _, names = import_path.partition(":")
    try:
        found: Any = importlib.import_module(module_name)
    except Exception as error:
        raise PotentialError(
            f"the module {module_name!r} cannot be imported ({said(error)})",
            where=import_path,
            fix=_missing_module_fix(module_name, python),
        ) from error
    for name in names.split("."):
        found = _attribute(found, name, import_path)
    try:
        calculator = found(**arguments)
    except Exception as error:
        text = ", ".join(f"{key}={value!r}" for key, value in arguments.items())
        raise PotentialError(
            f"it cannot be made with these arguments ({text or 'none'}): {said(error)}",
            where=import_path,
            fix="Look up the arguments it takes",
        ) from error
    check_calculator(calculator, import_path)
    return calculator


def _missing_module_fix(module_name: str, python: str) -> str:
    from importlib.util import find_spec

    package = module_name.partition(".")[0]
    if find_spec(package) is None:
        where = f"in the environment of {python}" if python else "where Eatlas runs"
        return f"Install {package} {where}, or mend the import path"
    return "Mend the import path, or install what the module needs"


def _attribute(owner: Any, name: str, import_path: str) -> Any:
    import difflib

    try:
        return getattr(owner, name)
    except AttributeError:
        near = difflib.get_close_matches(name, dir(owner), 1)
        raise PotentialError(
            f"{getattr(owner, '__name__', owner)} has no {name!r}",
            where=import_path,
            fix=f"The nearest name there is {near[0]}" if near else "Mend the name behind the colon",
        ) from None


def check_calculator(calculator: Any, where: str) -> None:
    """Raise PotentialError for what is no ASE calculator."""
    from ase import Atoms

    asked = hasattr(calculator, "get_property") or hasattr(calculator, "get_potential_energy")
    if isinstance(calculator, (type, Atoms)) or not asked:
        kind = "a class" if isinstance(calculator, type) else f"a {type(calculator).__name__}"
        raise PotentialError(
            f"this is {kind} and no ASE calculator",
            where=where,
            fix="Name a calculator class or a function that returns a calculator",
        )


def known_elements(calculator: Any) -> tuple[str, ...]:
    """Return the elements a calculator says it knows, by atomic number; empty where it does not say."""
    from ase.data import atomic_numbers, chemical_symbols

    table = getattr(calculator, "z_table", None)
    given = getattr(calculator, "elements", None) or getattr(table, "zs", None)
    try:
        numbers = {atomic_numbers[x] if isinstance(x, str) else int(x) for x in (given or ())}
        return tuple(chemical_symbols[n] for n in sorted(numbers) if n > 0)
    except (KeyError, TypeError, ValueError, IndexError):
        return ()


def evaluate(
    calculator: Any, arrays: Mapping[str, np.ndarray], values: Mapping[str, Any], forces: bool, stress: bool
) -> Arrays:
    """Ask a calculator about one structure.

    Parameters
    ----------
    arrays : numbers (n,), positions (n, 3) Å, cell (3, 3) Å, pbc (3,), and any of ``INPUT_ARRAYS``.
    values : any of ``INPUT_VALUES``.
    forces, stress : whether to ask for them; what it does not give is left out.

    Returns
    -------
    energy () eV, and where it gives them energies (n,) eV, forces (n, 3) eV/Å, stress (3, 3) eV/Å³.
    """
    from ase import Atoms

    atoms = Atoms(**{name: arrays[name] for name in ("numbers", "positions", "cell", "pbc")})
    for name in INPUT_ARRAYS:
        if name in arrays:
            atoms.set_array(name, np.array(arrays[name]))
    atoms.info.update(values)
    atoms.calc = calculator
    found: Arrays = {}
    if forces:
        _put(found, "forces", calculator, atoms)
    if stress and atoms.pbc.all() and abs(atoms.cell.volume) > 0:
        _put(found, "stress", calculator, atoms)
    if hasattr(calculator, "get_property"):
        found["energy"] = np.array(float(calculator.get_property("energy", atoms)))
    else:
        found["energy"] = np.array(float(calculator.get_potential_energy(atoms)))
    energies = _energies(calculator, atoms)
    if energies is not None:
        found["energies"] = energies
    return found


def _put(found: Arrays, name: str, calculator: Any, atoms: Any) -> None:
    """Put forces or stress into ``found`` where the calculator gives them."""
    from ase.calculators.calculator import PropertyNotImplementedError
    from ase.stress import voigt_6_to_full_3x3_stress

    if name not in getattr(calculator, "implemented_properties", (name,)):
        return
    try:
        value = np.array(getattr(atoms, f"get_{name}")(), dtype=np.float64)
    except PropertyNotImplementedError:
        return
    found[name] = voigt_6_to_full_3x3_stress(value) if value.shape == (6,) else value


def _energies(calculator: Any, atoms: Any) -> np.ndarray | None:
    """Return the atomic energies (n,), or None; looked for among the results before they are asked for."""
    from ase.calculators.calculator import PropertyNotImplementedError

    results = getattr(calculator, "results", None) or {}
    for name in ENERGY_NAMES:
        value = results.get(name)
        if value is not None and np.size(value) == len(atoms):
            return np.array(value, dtype=np.float64).reshape(-1)
    if "energies" not in getattr(calculator, "implemented_properties", ()):
        return None
    try:
        value = calculator.get_property("energies", atoms)
    except PropertyNotImplementedError:  # it could, but not with these arguments
        return None
    return None if value is None else np.array(value, dtype=np.float64).reshape(-1)


def said(error: BaseException) -> str:
    """Return an exception's kind and text in one line."""
    text = " ".join(_COLORS.sub("", str(error)).split())
    return f"{type(error).__name__}: {text[:300]}" if text else type(error).__name__


def as_error(error: BaseException) -> dict[str, str]:
    """Return an exception as :class:`PotentialError` would say it, to be sent."""
    if isinstance(error, EatlasError):
        return {"what": error.what, "where": error.where, "fix": error.fix}
    fix = "Check that it is made for such structures, and its arguments"
    return {"what": f"the calculator failed ({said(error)})", "where": "", "fix": fix}


def raised(said: Mapping[str, str], where: str) -> PotentialError:
    """Return the error of :func:`as_error`, about ``where`` unless it names a place itself."""
    return PotentialError(said["what"], where=said["where"] or where, fix=said["fix"])


def serve(requests: IO[bytes], replies: IO[bytes]) -> None:
    """Answer messages until the stream ends: first ``build``, then one structure each."""
    calculator: Any = None
    while True:
        try:
            body, arrays = read_message(requests)
        except EOFError:
            return
        try:
            if "build" in body:
                wanted = body["build"]
                calculator = build_calculator(wanted["import_path"], wanted["arguments"], wanted["python"])
                write_message(replies, {"elements": known_elements(calculator)}, {})
                continue
            found = evaluate(calculator, arrays, body["values"], body["forces"], body["stress"])
            write_message(replies, {}, found)
        except Exception as error:
            write_message(replies, {"error": as_error(error)}, {})


def _leave_with_parent(parent: int) -> None:
    """End this process once its parent is gone, whatever the foreign code is doing."""
    import os
    import time

    while os.getppid() == parent:
        time.sleep(1.0)
    os._exit(1)


def main() -> None:
    """Keep the two pipes for messages alone and serve."""
    import os
    import threading

    requests, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    threading.Thread(target=_leave_with_parent, args=(os.getppid(),), daemon=True).start()
    serve(requests, replies)


if __name__ == "__main__":
    main()
