"""Any ASE calculator as a model of atomic energies: MACE, NequIP, CHGNet, EAM, or one of your own.

A calculator named by its import path runs in a process of its own; an object from Python runs in the calling
thread. Its atomic energies are what ASE calls ``energies``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from nnpcore.errors import PotentialError, SettingsError
from nnpcore.potential.external import worker
from nnpcore.potential.external.process import WorkerProcess
from nnpcore.potential.prediction import Prediction, frame_starts

if TYPE_CHECKING:
    from nnpcore.progress import Progress
    from nnpcore.structures.frame import Frame

START_SECONDS = 300.0
"""A calculator that is not ready after this time has hung; large networks take a minute to load."""

SUM_TOLERANCE = 1e-4
"""eV/atom: by so much atomic energies may miss the total energy (single precision does)."""

_PATH = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")
_LONGEST, _LONGEST_VALUES = 20, 32  # letters of a value in a label, and of all of them
_VACUUM = 30.0  # Å, cell of an atom alone, for calculators that want one
STILL_WORKS = (
    "Total energies, forces and the equation of state of crystals (E / N) still work; some give them only "
    "when told to, such as CHGNet by return_site_energies"
)


class NoAtomicEnergiesError(PotentialError):
    """Atomic energies are asked of a calculator that has none."""


@dataclass(frozen=True)
class CalculatorSpec:
    """Which calculator, as text that can be kept: where to import it from, and the arguments to call it with.

    Attributes
    ----------
    import_path : "package.module:Name", a class or a function that returns a calculator.
    arguments : keyword arguments, anything JSON can hold.
    name : what to call it; made of the others where empty.
    python : the interpreter of an environment that has it, or the environment's folder; empty for this one.
    """

    import_path: str
    arguments: dict[str, Any] = field(default_factory=dict)
    name: str = ""
    python: str = ""

    def __post_init__(self) -> None:
        if not _PATH.fullmatch(self.import_path):
            raise SettingsError(
                f"{self.import_path!r} is no import path",
                where="calculator",
                fix="Write package.module:Name, such as ase.calculators.emt:EMT or mace.calculators:mace_mp",
            )
        try:
            same = json.loads(json.dumps(self.arguments)) == self.arguments
        except (TypeError, ValueError):
            same = False
        if not isinstance(self.arguments, dict) or not same:
            raise SettingsError(
                f"the arguments {self.arguments!r} are not names with values that JSON can hold",
                where=self.import_path,
                fix='Write them as a JSON object, such as {"sigma": 2.3}',
            )

    @property
    def title(self) -> str:
        """The name, or what stands behind the colon with its arguments."""
        values = ", ".join(f"{key}={_brief(value)}" for key, value in self.arguments.items())
        short = self.import_path.partition(":")[2]
        values = values if len(values) <= _LONGEST_VALUES else f"{values[: _LONGEST_VALUES - 1]}…"
        return self.name or (f"{short}({values})" if values else short)

    @classmethod
    def from_text(
        cls, import_path: str, arguments: str = "", name: str = "", python: str = ""
    ) -> CalculatorSpec:
        """Make one of what a user types: ``arguments`` is a JSON object, or empty."""
        try:
            found = json.loads(arguments) if arguments.strip() else {}
        except ValueError as error:
            raise SettingsError(
                f"the arguments {arguments!r} are no JSON ({error})",
                where=import_path,
                fix='Write an object such as {"sigma": 2.3, "device": "cpu"}',
            ) from None
        return cls(import_path.strip(), found, name.strip(), python.strip())

    def to_dict(self) -> dict[str, Any]:
        """Return what JSON can hold. Whoever builds it again runs code of that name: ask the user first."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> CalculatorSpec:
        """Read :meth:`to_dict`; SettingsError where it is none."""
        arguments = values.get("arguments") or {}
        texts = (str(values.get(key, "")) for key in ("name", "python"))
        return cls(str(values.get("import_path", "")), arguments, *texts)


def _brief(value: Any) -> str:
    """Return a value as it stands in a label: of a path its last name, of a long text its start."""
    text = str(value)
    text = text.replace("\\", "/").rstrip("/").rpartition("/")[2] or text
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


class TotalsPrediction(Prediction):
    """What a calculator without atomic energies says; asking for those raises NoAtomicEnergiesError."""

    def __init__(self, energies: np.ndarray, reason: PotentialError, fields: dict[str, Any]) -> None:
        vars(self).update(fields, energy_members=energies[None], _reason=reason)

    def __getattr__(self, name: str) -> Any:
        if name == "atomic_energies_members":
            raise self._reason
        raise AttributeError(name)


class CalculatorModel:
    """A foreign calculator asked as if it were a potential of ours with one member.

    Parameters
    ----------
    calculator : a :class:`CalculatorSpec`, or an ASE calculator made in Python.
    name : what to call it; the calculator's own name where empty.
    elements : chemical symbols it knows; empty asks the calculator, and takes all where it does not say.
    start_seconds, frame_seconds : how long it may take to start, and for one structure; None for ever.

    Attributes
    ----------
    name, elements, n_members : as of any model of atomic energies.
    gives_atomic_energies : False once it has turned out to give none, True where it gives them, else None.
    note : what was done to its atomic energies, in words, or empty.
    messages : lines that its process has written to standard error, such as warnings.
    """

    n_members = 1

    def __init__(
        self,
        calculator: CalculatorSpec | object,
        *,
        name: str = "",
        elements: Sequence[str] = (),
        start_seconds: float | None = START_SECONDS,
        frame_seconds: float | None = None,
    ) -> None:
        self.spec = calculator if isinstance(calculator, CalculatorSpec) else None
        if self.spec is None:
            worker.check_calculator(calculator, type(calculator).__name__)
        self.name = name or (self.spec.title if self.spec else type(calculator).__name__)
        self.start_seconds, self.frame_seconds = start_seconds, frame_seconds
        self.gives_atomic_energies: bool | None = None
        self.note = ""
        self._elements = tuple(elements)
        self._object = calculator
        self._process: WorkerProcess | None = None
        self.messages: list[str] = []
        self._offsets: dict[int, float] = {}

    @property
    def elements(self) -> tuple[str, ...]:
        """Elements it knows, by atomic number; all of them where nobody says."""
        from ase.data import chemical_symbols

        said = self._elements or (() if self.spec else worker.known_elements(self._object))
        return said or tuple(chemical_symbols[1:])

    def __enter__(self) -> CalculatorModel:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End its process; the next question starts it anew."""
        if self._process is not None:
            self._process.stop()
            self._process = None

    def start(self, *, n_threads: int | None = None, progress: Progress | None = None) -> None:
        """Make the calculator now, so that its mistakes show at once.

        Raises
        ------
        PotentialError
            When it cannot be imported or made, is no ASE calculator, takes too long or crashes.
        """
        if self.spec is None or (self._process is not None and self._process.running):
            return
        self.close()
        self._process = WorkerProcess(self.name, n_threads, self.spec.python)
        self.messages = self._process.messages
        if progress is not None:
            progress.report(None, f"Starting {self.name}")
        body, _ = self._process.ask(
            {"build": asdict(self.spec)}, {}, seconds=self.start_seconds, late="its start", progress=progress
        )
        self._elements = self._elements or tuple(body["elements"])

    def predict(
        self,
        frames: Sequence[Frame],
        *,
        forces: bool = True,
        stress: bool = True,
        members: bool = True,
        device: str = "",
        n_threads: int | None = None,
        progress: Progress | None = None,
    ) -> Prediction:
        """Ask about each frame; see ``Potential.predict``.

        ``members`` makes no difference, nor does ``device``: where it runs is for its own arguments to say.

        Forces and stress are None where it gives none. Without atomic energies a :class:`TotalsPrediction`
        comes back. ``n_threads`` counts for a process started by this call.

        Raises
        ------
        PotentialError
            When it fails, crashes, is late, or returns what is not finite, naming the frame.
        """
        self.start(n_threads=n_threads, progress=progress)
        answers = []
        for k, frame in enumerate(frames):
            answers.append(self._one(frame, k, forces, stress, progress))
            if progress is not None:
                progress.report((k + 1) / len(frames), f"{self.name}: frame {k + 1} of {len(frames)}")
        return self._assemble(frames, answers, forces, stress)

    def _one(
        self, frame: Frame, position: int, forces: bool, stress: bool, progress: Progress | None
    ) -> worker.Arrays:
        """Ask about one frame, check the answer and complete its atomic energies."""
        where = f"{self.name}, {frame.label(position)}"
        arrays = {n: getattr(frame, n) for n in ("numbers", "positions", "cell", "pbc")}
        arrays |= {n: frame.arrays[n] for n in worker.INPUT_ARRAYS if n in frame.arrays}
        values = {n: frame.info[n] for n in worker.INPUT_VALUES if isinstance(frame.info.get(n), int | float)}
        found = self._evaluate(arrays, values, forces, stress, where, progress)
        _check(found, frame.n_atoms, where)
        if self.gives_atomic_energies is not False and "energies" in found:
            self._complete(found, frame, where, progress)
        return found

    def _evaluate(
        self,
        arrays: worker.Arrays,
        values: dict[str, Any],
        forces: bool,
        stress: bool,
        where: str,
        progress: Progress | None,
    ) -> worker.Arrays:
        if self._process is None:
            try:
                return worker.evaluate(self._object, arrays, values, forces, stress)
            except Exception as error:
                raise worker.raised(worker.as_error(error), where) from error
        body = {"values": values, "forces": forces, "stress": stress}
        limits: dict[str, Any] = {"seconds": self.frame_seconds, "late": "one structure"}
        return self._process.ask(body, arrays, progress=progress, where=where, **limits)[1]

    def _complete(self, found: worker.Arrays, frame: Frame, where: str, progress: Progress | None) -> None:
        """See that the atomic energies add up to the total, adding those of the atoms alone if need be.

        Some codes leave the energy of the isolated atom out of an atom's energy but not out of the total.
        Where the rest has another reason, the atomic energies are of no use and are dropped.
        """
        energies, total = found["energies"], float(found["energy"])
        tolerance = SUM_TOLERANCE * frame.n_atoms + 1e-6 * abs(total)
        if self._offsets or abs(energies.sum() - total) > tolerance:
            try:
                offsets = np.array([self._offset(int(n), where, progress) for n in frame.numbers])
            except PotentialError:  # it cannot tell of an atom alone
                offsets = np.zeros(frame.n_atoms)
            energies = energies + offsets
        if abs(energies.sum() - total) > tolerance:
            self.gives_atomic_energies = False
            missing = (total - found["energies"].sum()) / frame.n_atoms
            self.note = (
                f"its atomic energies do not add up to its total energy (off by {missing:.3g} eV/atom in "
                f"{frame.label(0)}) and are not used"
            )
            return
        self.gives_atomic_energies = True
        found["energies"] = energies

    def _offset(self, number: int, where: str, progress: Progress | None) -> float:
        """Return E - E_at of an atom of this element alone, eV."""
        from ase.data import chemical_symbols

        if number not in self._offsets:
            alone = {
                "numbers": np.array([number]),
                "positions": np.full((1, 3), 0.5 * _VACUUM),
                "cell": _VACUUM * np.eye(3),
                "pbc": np.zeros(3, dtype=bool),
            }
            found = self._evaluate(alone, {}, False, False, where, progress)
            _check(found, 1, f"{self.name}, an atom alone")
            self._offsets[number] = float(found["energy"]) - float(found.get("energies", np.zeros(1))[0])
            known = ", ".join(f"{chemical_symbols[n]} {e:.4f} eV" for n, e in sorted(self._offsets.items()))
            self.note = f"energies of the atoms alone were added to its atomic energies ({known})"
        return self._offsets[number]

    def _assemble(
        self, frames: Sequence[Frame], answers: list[worker.Arrays], forces: bool, stress: bool
    ) -> Prediction:
        fields: dict[str, Any] = {"frame_start": frame_starts(frames)}
        if forces and answers and all("forces" in a for a in answers):
            force = np.concatenate([a["forces"] for a in answers])
            fields |= {"forces": force, "forces_std": np.zeros_like(force), "forces_members": force[None]}
        if stress and any("stress" in a for a in answers):
            tensors = [a.get("stress", np.full((3, 3), np.nan)) for a in answers]
            fields["stress_members"] = np.array([tensors])
        if (self.gives_atomic_energies is not False and all("energies" in a for a in answers)) or not answers:
            energies = np.concatenate([np.zeros(0), *(a["energies"] for a in answers)])
            return Prediction(atomic_energies_members=energies[None], **fields)
        self.gives_atomic_energies = False
        what = self.note or "this calculator gives no energies of single atoms (what ASE calls 'energies')"
        reason = NoAtomicEnergiesError(what, where=self.name, fix=STILL_WORKS)
        return TotalsPrediction(np.array([float(a["energy"]) for a in answers]), reason, fields)


def _check(found: worker.Arrays, n_atoms: int, where: str) -> None:
    """Raise PotentialError where an answer has another shape than it must, or is not finite."""
    shapes = {"energy": (), "energies": (n_atoms,), "forces": (n_atoms, 3), "stress": (3, 3)}
    for name, values in found.items():
        if values.shape != shapes[name]:
            raise PotentialError(
                f"{name} has the shape {values.shape}, expected {shapes[name]}",
                where=where,
                fix="This is a mistake in the calculator",
            )
        if not np.isfinite(values).all():
            raise PotentialError(
                f"its {name} {'is' if name in ('energy', 'stress') else 'are'} NaN or infinite",
                where=where,
                fix="The structure may lie outside of what it was made for; leave it out",
            )
