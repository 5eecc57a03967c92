"""Energies, forces and stresses that a file keeps under other names: found, proposed, confirmed, remembered.

A file of another program may say ``REF_energy``, ``dft_forces`` or ``virials``. Nothing is taken for a
reference value without the user's word: :func:`propose_keys` says what looks like one and why, and what has
to be asked; the confirmed :class:`KeyNames` go to ``read_dataset(path, keys=...)``.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from shlex import quote
from typing import Any, TypeGuard

import numpy as np
from ase.data import atomic_numbers

from nnpcore.errors import SettingsError
from nnpcore.structures.frame import FORCE_NAMES, Frame
from nnpcore.structures.labels.stress_kinds import (
    ASE_STRESS,
    VIRIAL,
    StressKind,
    StressVerdict,
    as_tensor,
)
from nnpcore.structures.labels.trust import judge_tensors
from nnpcore.structures.readers.reader import EV_ANGSTROM, FILE_UNITS, HARTREE_BOHR, UNKNOWN_UNITS
from nnpcore.structures.readers.registry import file_units

NONE = "none"
"""Name that stands for: leave this quantity out, even where the file has it under the usual name."""

LIKELY = 0.5
"""Score from which a name is proposed; a model's prediction stays below it."""

MAX_FRAMES = 200
"""Frames that are looked at."""


@dataclass(frozen=True)
class KeyNames:
    """Names of the values in a file; None stands for the usual name, "none" leaves the quantity out.

    Attributes
    ----------
    energy : per-frame number, eV.
    forces : per-atom vectors, eV/Å.
    stress : per-frame tensor.
    stress_kind : what the tensor is, as :attr:`StressKind.text`; empty for what its name says.
    negative_forces : whether the vectors are gradients, forces with the other sign.
    units : of n2p2's ``input.data``: "eV, Å" or "Ha, Bohr"; empty where the file decides.
    unconverged : whether to take steps whose electrons did not converge.
    types : symbols of the elements by their numbers in files without symbols, such as "Cu Au".
    """

    energy: str | None = None
    forces: str | None = None
    stress: str | None = None
    stress_kind: str = ""
    negative_forces: bool = False
    units: str = ""
    unconverged: bool = False
    types: str = ""

    def __post_init__(self) -> None:
        for symbol in self.types.split():
            if atomic_numbers.get(symbol, 0) < 1:
                raise SettingsError(
                    f"{symbol!r} is not a chemical element",
                    where="types",
                    fix='Write symbols such as "Cu Au"',
                )
        if self.stress_kind:
            object.__setattr__(self, "stress_kind", StressKind.from_text(self.stress_kind).text)
        known = file_units().values()
        if self.units and self.units not in known:
            raise SettingsError(
                f"{self.units!r} are no units of this format",
                where="units",
                fix=f"Choose {' or '.join(known)}",
            )

    @property
    def text(self) -> str:
        """One line such as "energy=REF_energy; stress_kind=virial:eV"; empty for the usual names."""
        given = asdict(self).items()
        return "; ".join(f"{name}={value}" for name, value in given if value not in (None, "", False))

    @classmethod
    def from_text(cls, text: str) -> KeyNames:
        """Read :attr:`text`; SettingsError for names of no quantity."""
        parts = [part.partition("=") for part in text.split(";") if part.strip()]
        return cls.from_dict({name.strip(): value.strip() for name, _, value in parts})

    def to_dict(self) -> dict[str, Any]:
        """Return what JSON can hold."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> KeyNames:
        """Read :meth:`to_dict`; SettingsError where it is none."""
        known = {f.name for f in fields(cls)}
        if not set(values) <= known:
            wrong = sorted(set(values) - known)[0]
            raise SettingsError(f"{wrong!r} is no quantity", where="key names", fix=f"Use {sorted(known)}")
        given = dict(values)
        for name in ("negative_forces", "unconverged"):
            given[name] = given.get(name) in (True, "True", "true")
        return cls(**given)


@dataclass(frozen=True)
class Candidate:
    """A name that may stand for a quantity: the higher the score the likelier, and why."""

    name: str
    score: float
    why: str


@dataclass(frozen=True)
class Question:
    """What only the user can know: the text, and the answers (words, the key names they lead to).

    The first choice is the likeliest.
    """

    quantity: str
    text: str
    choices: tuple[tuple[str, KeyNames], ...]


@dataclass(frozen=True)
class KeyProposal:
    """What a file's names look like.

    Attributes
    ----------
    names : the proposal; empty where the usual names are all there is.
    candidates : by quantity ("energy", "forces", "stress"), the likeliest first.
    questions : what has to be asked; empty where the numbers decide.
    signature : the file's names of numbers, by which an answer is remembered.
    why : lines that say what the proposal rests on.
    """

    names: KeyNames
    candidates: dict[str, tuple[Candidate, ...]]
    questions: tuple[Question, ...] = ()
    signature: str = ""
    why: tuple[str, ...] = ()

    @property
    def needed(self) -> bool:
        """Whether there is anything to confirm."""
        return self.names != KeyNames() or bool(self.questions)


QUANTITIES = ("energy", "forces", "stress")

_SAME = {"energy": 1e-4, "forces": 1e-2}
"""eV/atom and eV/Å up to which two values under different names are the same one."""

_REFERENCE = re.compile(
    r"ref|dft|true|target|label|qm|pbe|scan|vasp|cp2k|espresso|qe\b|gpaw|aims|orca|casscf|ccsd"
)
_PREDICTED = re.compile(r"pred|mace|nequip|chgnet|gap|nnp|_nn|nn_|model|mlip|_ml|ml_|std|var|unc|error|delta")
_ENERGY = re.compile(r"energ|^e$|^e_?(tot|total|0|dft|ref)|etot|toten|^u_?0$|^(pe|epot)$")
_NO_ENERGY = re.compile(
    r"per_?atom|kinetic|ekin|formation|cohesive|atomi[sz]ation|binding|fermi|gap|band|above"
)
_STRESS = re.compile(r"stress|virial|^sigma$|press(ure)?_?tensor")


def propose_keys(frames: Sequence[Frame]) -> KeyProposal:
    """Say which names of a file look like energy, forces and stress; the frames as read with no names given.

    A quantity that is there under its usual name is not looked for. Virial and stress, sign and unit are told
    by the numbers where they can be (see ``judge_stress``), else asked; also where the usual name contradicts
    the numbers.
    """
    chosen = list(frames[:: max(1, len(frames) // MAX_FRAMES)])[:MAX_FRAMES]
    candidates = {
        "energy": _candidates(chosen, _energies, _ENERGY, _NO_ENERGY),
        "forces": _candidates(chosen, _vectors, FORCE_NAMES, re.compile(r"constr")),
        "stress": _candidates(chosen, _tensors, _STRESS, re.compile(r"lattice|cell")),
    }
    names, why, questions = KeyNames(), [], []
    for quantity in QUANTITIES:
        found = candidates[quantity]
        missing = all(getattr(frame, quantity) is None for frame in chosen)
        if missing and found and found[0].score >= LIKELY:
            names = replace(names, **{quantity: found[0].name})
            if quantity != "stress":
                why.append(f"{quantity}: {found[0].name} ({found[0].why})")
                questions += _choice(quantity, found, names)
    if names.forces and "grad" in names.forces.lower():
        names = replace(names, negative_forces=True)
        why.append("forces: a gradient by its name, so that its sign is turned")
    names, stress_why, stress_questions = _settle_stress(chosen, names, candidates["stress"])
    questions += _units_question(chosen, names)
    return KeyProposal(
        names=names,
        candidates=candidates,
        questions=tuple(questions) + stress_questions,
        signature=signature_of(chosen),
        why=tuple(why) + stress_why,
    )


def rival_notes(frames: Sequence[Frame]) -> list[str]:
    """Say where frames have a value under its usual name and another one under the name of a reference: a
    model's predictions may stand under the usual name.
    """
    chosen = list(frames[:: max(1, len(frames) // MAX_FRAMES)])[:MAX_FRAMES]
    found = {
        "energy": _candidates(chosen, _energies, _ENERGY, _NO_ENERGY),
        "forces": _candidates(chosen, _vectors, FORCE_NAMES, re.compile(r"constr")),
    }
    texts = []
    for quantity, candidates in found.items():
        for name in (c.name for c in candidates if _REFERENCE.search(c.name.lower())):
            off = max((_apart(frame, quantity, name) for frame in chosen), default=0.0)
            if off > _SAME[quantity]:
                unit = "eV/atom" if quantity == "energy" else "eV/Å"
                text = f"{quantity} and {name} differ by up to {off:.2g} {unit}: {quantity} is taken"
                texts.append(f"{text}; if {name} is the reference, take it by --{quantity}-key {quote(name)}")
    return texts


def _apart(frame: Frame, quantity: str, name: str) -> float:
    """Return by how much a frame's usual value differs from another one; 0 where one is missing."""
    if quantity == "energy":
        other = frame.info.get(name)
        if frame.energy is None or not _is_number(other):
            return 0.0
        return abs(frame.energy - float(other)) / frame.n_atoms
    vectors = _vectors(frame).get(name)
    return 0.0 if frame.forces is None or vectors is None else float(np.abs(frame.forces - vectors).max())


def _choice(quantity: str, found: tuple[Candidate, ...], names: KeyNames) -> list[Question]:
    """Ask where two names are equally likely."""
    best = [c for c in found if c.score == found[0].score]
    if len(best) < 2:
        return []
    choices = tuple((c.name, replace(names, **{quantity: c.name})) for c in best)
    return [Question(quantity, f"Which of these is the reference {quantity}?", choices)]


def _units_question(frames: Sequence[Frame], names: KeyNames) -> list[Question]:
    """Ask for the units where a file has none and its distances do not tell."""
    if not any(frame.info.get(FILE_UNITS) == UNKNOWN_UNITS for frame in frames):
        return []
    choices = tuple((unit, replace(names, units=unit)) for unit in (EV_ANGSTROM, HARTREE_BOHR))
    return [Question("units", "Which units are the file's numbers in?", choices)]


def signature_of(frames: Sequence[Frame]) -> str:
    """Return the names of all numbers the frames have, sorted: files of one program have the same."""
    keys: set[str] = set()
    for frame in frames:
        keys |= {f"info:{k}" for k, v in frame.info.items() if _is_number(v) or as_tensor(v) is not None}
        keys |= {f"atoms:{k}" for k, v in frame.arrays.items() if v.dtype.kind == "f"}
        keys |= {q for q in QUANTITIES if getattr(frame, q) is not None}
    return " ".join(sorted(keys))


def _is_number(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float | np.number) and not isinstance(value, bool | np.bool_)


def _energies(frame: Frame) -> dict[str, Any]:
    return {k: v for k, v in frame.info.items() if _is_number(v) and np.isfinite(v)}


def _vectors(frame: Frame) -> dict[str, Any]:
    return {k: v for k, v in frame.arrays.items() if v.shape == (frame.n_atoms, 3) and v.dtype.kind == "f"}


def _tensors(frame: Frame) -> dict[str, Any]:
    return {k: v for k, v in frame.info.items() if as_tensor(v) is not None}


def _candidates(
    frames: Sequence[Frame], values: Any, pattern: re.Pattern[str], never: re.Pattern[str]
) -> tuple[Candidate, ...]:
    counts: Counter[str] = Counter()
    for frame in frames:
        counts.update(list(values(frame)))
    found = []
    for name, count in counts.items():
        low = name.lower()
        if not pattern.search(low) or never.search(low):
            continue
        score, reasons = 1.0, ["by its name"]
        if _REFERENCE.search(low):
            score, reasons = score + 1.0, ["a reference by its name"]
        if _PREDICTED.search(low) and not _REFERENCE.search(low):
            score, reasons = score - 0.75, ["its name says a prediction"]
        if "free" in low:
            score, reasons = score - 0.5, [*reasons, "a free energy"]
        if count < len(frames):
            score, reasons = score - 0.25, [*reasons, f"in {count} of {len(frames)} frames"]
        found.append(Candidate(name, score, ", ".join(reasons)))
    return tuple(sorted(found, key=lambda c: (-c.score, c.name)))


def _settle_stress(
    frames: Sequence[Frame], names: KeyNames, found: Sequence[Candidate]
) -> tuple[KeyNames, tuple[str, ...], tuple[Question, ...]]:
    """Tell what the tensor is: by the numbers, by its name, or by asking.

    Where the numbers do not decide about another name, nothing is proposed: the question has the choices.
    """
    usual = names.stress is None
    keys = [_usual_stress_key(frames)] if usual else [c.name for c in found if c.score >= LIKELY]
    verdicts = {key: v for key in keys if key and (v := _verdict(frames, key, names.energy)) is not None}
    if not verdicts:
        return names, (), ()
    key = next((key for key, verdict in verdicts.items() if verdict.decided), next(iter(verdicts)))
    verdict, said = verdicts[key], kind_by_name(key)
    if usual and said in verdict.kinds:
        return names, (), ()
    kinds = tuple(sorted(verdict.kinds, key=lambda kind: kind != said))
    chosen = replace(names, stress=key, stress_kind=kinds[0].text)
    if verdict.decided and not usual:
        return chosen, (f"stress: {key} is {kinds[0].words}: {verdict.why}",), ()
    why = f"stress: what {key} is cannot be told ({verdict.why})"
    if usual:
        why = f"stress: {key} is not {said.words}, as its name says: {verdict.why}"
    question = _stress_question(chosen, verdicts)
    return (chosen if verdict.decided else replace(names, stress=None)), (why,), (question,)


def _stress_question(names: KeyNames, verdicts: Mapping[str, StressVerdict]) -> Question:
    """Ask which tensor is the stress, and what it is; what a name says stands first."""
    choices: list[tuple[str, KeyNames]] = []
    for key, verdict in verdicts.items():
        said = kind_by_name(key)
        kinds = sorted(verdict.kinds, key=lambda kind: kind != said)
        for kind in dict.fromkeys((*kinds, said)):
            text = kind.words if len(verdicts) == 1 else f"{key}: {kind.words}"
            choices.append((text, replace(names, stress=key, stress_kind=kind.text)))
    choices.append(("leave the stress out", replace(names, stress=NONE, stress_kind="")))
    return Question("stress", f"What is {' or '.join(verdicts)}?", tuple(choices))


def _verdict(frames: Sequence[Frame], key: str, energy_key: str | None) -> StressVerdict | None:
    """What the numbers say about a tensor; None where no frame with a volume has it."""
    rows = [(f, t) for f in frames if (t := _tensor_of(f, key)) is not None and f.volume > 0.0]
    if not rows:
        return None
    energies = np.array([_energy_of(f, energy_key) for f, _ in rows])
    return judge_tensors([f for f, _ in rows], np.array([t for _, t in rows]), energies)


def _usual_stress_key(frames: Sequence[Frame]) -> str:
    """Name of the tensor that was read as stress without being told."""
    given = [frame for frame in frames if frame.stress is not None]
    if not given:
        return ""
    return "virial" if all(_is_from_virial(frame) for frame in given) else "stress"


def _is_from_virial(frame: Frame) -> bool:
    """Whether the frame's stress was made of its virial when it was read."""
    virial = as_tensor(frame.info.get("virial"))
    if virial is None or frame.stress is None or frame.volume <= 0.0:
        return False
    made = VIRIAL.to_ase(virial, frame.volume)
    return bool(np.allclose(0.5 * (made + made.T), frame.stress, rtol=1e-9, atol=1e-12))


def _tensor_of(frame: Frame, key: str) -> np.ndarray | None:
    if key == "stress" and "stress" not in frame.info:
        return frame.stress
    return as_tensor(frame.info.get(key))


def _energy_of(frame: Frame, key: str | None) -> float:
    value = frame.energy if key is None else frame.info.get(key)
    return float(value) if _is_number(value) else np.nan


def kind_by_name(key: str) -> StressKind:
    """Return what a tensor of this name usually is."""
    low = key.lower()
    unit = next((u for u in ("GPa", "kbar", "bar") if u.lower() in low), "")
    if not unit and re.search(r"kb$|_kb_", low):
        unit = "kbar"
    if "virial" in low and not unit:
        return VIRIAL
    kind = "pressure" if "press" in low else "stress"
    return StressKind(kind, unit or ASE_STRESS.unit)


def apply_keys(frame: Frame, keys: KeyNames) -> Frame:
    """Return the frame with its labels taken from these names; a name it does not have leaves None.

    The tensor's nine numbers are taken as three times three, six in ASE's order. What was under the usual
    name is kept in ``info`` or ``arrays`` with a trailing underscore.

    Raises
    ------
    ValueError
        When a value is no number, vector per atom or tensor, with a message that names it.
    """
    info, arrays = dict(frame.info), dict(frame.arrays)
    changed: dict[str, Any] = {}
    if keys.energy is not None:
        _keep(info, "energy_", frame.energy)
        changed["energy"] = _taken_energy(info, keys.energy)
    if keys.forces is not None:
        _keep(arrays, "forces_", frame.forces)
        changed["forces"] = _taken_forces(arrays, keys, frame.n_atoms)
    elif keys.negative_forces and frame.forces is not None:
        changed["forces"] = -frame.forces
    if keys.stress is not None or keys.stress_kind:
        changed["stress"] = _taken_stress(frame, info, keys)
    return replace(frame, info=info, arrays=arrays, read_with=keys.text, **changed)


def _keep(store: dict[str, Any], name: str, value: Any) -> None:
    if value is not None:
        store[name] = value


def _taken_energy(info: dict[str, Any], key: str) -> float | None:
    value = info.pop(key, None)
    if value is not None and not _is_number(value):
        raise ValueError(f"{key} is {value!r}, but one number is expected")
    return None if value is None else float(value)


def _taken_forces(arrays: dict[str, np.ndarray], keys: KeyNames, n_atoms: int) -> np.ndarray | None:
    value = arrays.pop(str(keys.forces), None)
    if value is None:
        return None
    if value.shape != (n_atoms, 3) or value.dtype.kind not in "fi":
        raise ValueError(f"{keys.forces} has the shape {value.shape}, expected ({n_atoms}, 3)")
    return np.asarray(-value if keys.negative_forces else value, dtype=np.float64)


def _taken_stress(frame: Frame, info: dict[str, Any], keys: KeyNames) -> np.ndarray | None:
    key = keys.stress or ("virial" if _is_from_virial(frame) else "stress")
    raw = info.pop(key, None)
    value = frame.stress if raw is None and key == "stress" else raw
    if key != "stress":
        _keep(info, "stress_", None if key == "virial" else frame.stress)
    if value is None:
        return None
    tensor = as_tensor(value)
    if tensor is None:
        raise ValueError(f"{key} is {value!r}, but nine or six numbers are expected")
    kind = StressKind.from_text(keys.stress_kind) if keys.stress_kind else kind_by_name(key)
    if kind.unit == "eV" and frame.volume <= 0.0:
        return None
    stress = kind.to_ase(tensor, frame.volume)
    return 0.5 * (stress + stress.T)


@dataclass(frozen=True)
class KeyMemory:
    """What the user has confirmed, for JSON: ``KeyNames.to_dict`` by signature, the newest last."""

    answers: dict[str, Any] = field(default_factory=dict)
    max_answers: int = 50

    def recall(self, signature: str) -> KeyNames | None:
        """Return what was confirmed for files with these names, or None."""
        try:
            return KeyNames.from_dict(self.answers[signature]) if signature in self.answers else None
        except (SettingsError, TypeError):  # written by another version
            return None

    def remember(self, signature: str, names: KeyNames) -> KeyMemory:
        """Return a memory that holds this answer, too."""
        kept = {s: a for s, a in self.answers.items() if s != signature} | {signature: names.to_dict()}
        return KeyMemory(dict(list(kept.items())[-self.max_answers :]), self.max_answers)
