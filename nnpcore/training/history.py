"""What a training has reached, epoch by epoch: the record, its JSON form and its CSV table."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, TypedDict

import numpy as np

from nnpcore.files import json_value
from nnpcore.training.quantities import QUANTITIES

_PARTS = ("train", "valid", "kept")
_CPU = "cpu_seconds"
_FIRST, _LAST = ("epoch", "seconds", _CPU, "optimizer"), ("alive", "best", "messages", "severities")
_MAPPING, _KEPT, _MEV = "mapping_", "kept_mapping_", "_mev"  # around the name of a mapping error
_CHECK = "check"
"""Column whose last row has the checksum of the table and of the training it belongs to."""

MOST_RECORDS = 4000
"""A history with more records is thinned to about half of it."""
_RECENT = 500
_SMALLEST_GAIN = 0.01  # share by which the largest mapping error must fall to count as progress


class Severity(StrEnum):
    """Whether a message only tells what was done, or warns."""

    NOTE = "note"
    WARNING = "warning"


@dataclass(frozen=True)
class Message:
    """What happened in an epoch, in a sentence for the user."""

    text: str
    severity: Severity = Severity.WARNING

    @property
    def is_note(self) -> bool:
        """Whether it only tells what was done."""
        return self.severity is Severity.NOTE


_OLD_NOTES = ("Smooth part under the networks", "has reached a minimum", "Kalman filter:", "as asked for")
"""What is in the notes of version 0.2, whose files do not say how severe a message is."""


def _messages(texts: Sequence[object], severities: Sequence[object] | None) -> tuple[Message, ...]:
    if severities is None:
        old = (Severity.NOTE if any(w in str(t) for w in _OLD_NOTES) else Severity.WARNING for t in texts)
        return tuple(map(Message, map(str, texts), old))
    return tuple(Message(str(t), Severity(s)) for t, s in zip(texts, severities, strict=True))


class Rmse(TypedDict):
    """RMSE of one quantity: of every member, and of the ensemble's mean prediction."""

    members: np.ndarray
    mean: float


@dataclass(frozen=True, eq=False)
class EpochRecord:
    """What one epoch has reached.

    Attributes
    ----------
    epoch : counted from 1.
    seconds : training time so far, all epochs, without pauses and without the validation.
    cpu_seconds : of the processor, all threads, in the same time; None in runs of versions without it.
    optimizer : its name, "kalman", "adam" or "lbfgs".
    train, valid : by quantity, "energy" in meV/atom, "force" in eV/Å per component, "stress" in GPa per
        component; a quantity without reference data is absent. ``valid`` is exact; ``train`` is the running
        value of the epoch (every frame as it was predicted when its turn came, forces by their random
        projections for the Kalman filter), and exact only in the final report.
    alive : (n_members,) bool, False for a member that has been stopped.
    messages : what happened in this epoch.
    best : whether some member reached its best validation score in this epoch.
    kept : as ``valid``, of the members as they are kept, each at its own best epoch; empty where that is
        ``valid`` itself, where nothing became better, and in runs of versions without it.
    mapping : name of an invariant point or region -> mapping error of the ensemble mean after this epoch,
        meV/atom; empty without a monitor.
    kept_mapping : as ``mapping``, of the members as they are kept; empty where that is ``mapping`` itself,
        where nothing became better, and in runs of versions without it.
    """

    epoch: int
    seconds: float
    optimizer: str
    train: dict[str, Rmse]
    valid: dict[str, Rmse]
    alive: np.ndarray
    messages: tuple[Message, ...] = ()
    best: bool = False
    mapping: dict[str, float] = field(default_factory=dict)
    cpu_seconds: float | None = None
    kept: dict[str, Rmse] = field(default_factory=dict)
    kept_mapping: dict[str, float] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values that JSON can hold; floats keep every bit, NaN becomes None."""
        texts = [message.text for message in self.messages]
        severities = [message.severity for message in self.messages]
        return json_value(vars(self) | {"messages": texts, "severities": severities})

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> EpochRecord:
        """Rebuild a record from :meth:`to_dict`; KeyError, TypeError or ValueError where it is damaged."""
        return cls(
            epoch=int(values["epoch"]),
            seconds=float(values["seconds"]),
            optimizer=str(values["optimizer"]),
            train=_rmses(values["train"]),
            valid=_rmses(values["valid"]),
            alive=np.array(values["alive"], dtype=bool),
            messages=_messages(values["messages"], values.get("severities")),
            best=bool(values["best"]),
            mapping={str(name): _number(error) for name, error in values.get("mapping", {}).items()},
            cpu_seconds=_known_number(values.get(_CPU)),
            kept=_rmses(values.get("kept") or {}),
            kept_mapping={str(n): _number(error) for n, error in (values.get("kept_mapping") or {}).items()},
        )


def best_record(history: Sequence[EpochRecord]) -> EpochRecord | None:
    """Return the record that describes the potential at hand: the last one marked best.

    Where none is marked it is the last one with a finite energy RMSE, else the last. Its validation and
    mapping errors are those of the members as they are kept, where they are known.
    """
    record = _last_best(history)
    if record is None or not (record.kept or record.kept_mapping):
        return record
    return replace(record, valid=record.kept or record.valid, mapping=record.kept_mapping or record.mapping)


def of_kept_networks(record: EpochRecord, best_epochs: Sequence[int]) -> tuple[bool, bool]:
    """Return whether the validation and the mapping errors of :func:`best_record` are of the networks kept.

    They are not where a version that did not ask kept networks of other epochs (``best_epochs``).
    """
    alike = set(best_epochs) <= {record.epoch}
    return alike or bool(record.kept), alike or bool(record.kept_mapping)


def _last_best(history: Sequence[EpochRecord]) -> EpochRecord | None:
    wanted = (lambda record: record.best, lambda record: np.isfinite(_energy_rmse(record)))
    found = (record for fits in wanted for record in reversed(history) if fits(record))
    return next(found, history[-1] if history else None)


def energy_rmse(history: Sequence[EpochRecord]) -> float | None:
    """Return the energy RMSE of the ensemble's mean by :func:`best_record`, meV/atom.

    It is that of the validation frames, of the training frames where there are none. Not the lowest of all
    epochs: no potential need have that one.
    """
    record = best_record(history)
    value = np.nan if record is None else _energy_rmse(record)
    return value if np.isfinite(value) else None


def _energy_rmse(record: EpochRecord) -> float:
    rmses = record.valid or record.train
    return float(rmses["energy"]["mean"]) if "energy" in rmses else np.nan


def _rmses(values: dict[str, Any]) -> dict[str, Rmse]:
    return {
        name: Rmse(members=np.array([_number(v) for v in rmse["members"]]), mean=_number(rmse["mean"]))
        for name, rmse in values.items()
    }


def _known_number(value: Any) -> float | None:
    return None if value is None or value == "" else float(value)


def _number(value: Any) -> float:
    return float("nan") if value is None or value == "" else float(value)


def thin(records: list[EpochRecord]) -> None:
    """Drop records of a long history, so that a training of any length takes the same memory.

    Above :data:`MOST_RECORDS` those at even distances stay, about half as many; so do the first, the last
    ones, those that tell something, the one that describes the potential, and the gains of the largest
    mapping error.
    """
    if len(records) <= MOST_RECORDS:
        return
    kept = {id(record) for record in (*gains(records), _last_best(records), records[0])}
    step = 1
    while records[-1].epoch // step > MOST_RECORDS // 2:
        step *= 2
    old = records[:-_RECENT]
    stay = (r for r in old if r.epoch % step == 0 or r.messages or id(r) in kept)
    records[:] = [*stay, *records[-_RECENT:]]


def gains(records: Iterable[EpochRecord]) -> list[EpochRecord]:
    """Return the records whose largest absolute mapping error is at least 1 % below the smallest before."""
    best, found = np.inf, []
    for record in records:
        errors = np.abs(list(record.mapping.values()))
        if len(errors) and errors.max() < (1.0 - _SMALLEST_GAIN) * best:
            best = float(errors.max())
            found.append(record)
    return found


def history_csv(records: Sequence[EpochRecord], run: str = "") -> str:
    """Return the history as a CSV table: one row an epoch, one column a quantity and member.

    With the id of a ``run`` the last row gets a checksum over the id and the table.
    """
    rows = [_row_of_record(record) for record in records]
    n_members = len(records[0].alive) if records else 0
    numbers = (head for part in _PARTS for name in QUANTITIES for head in _heads(part, name, n_members))
    known = dict.fromkeys(head for row in rows for head in row)
    mapped = [head for head in known if head.startswith((_MAPPING, _KEPT))]
    first = [head for head in _FIRST if any(head in row for row in rows)] or _FIRST
    heads = [*first, *(head for head in numbers if head in known), *mapped, *_LAST]
    if run and rows:
        heads.append(_CHECK)
        table = [[str(row.get(head, "")) for head in heads[:-1]] for row in rows]
        rows[-1][_CHECK] = _checksum(run, [heads[:-1], *table])
    text = io.StringIO()
    writer = csv.DictWriter(text, heads, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _heads(part: str, quantity: str, n_members: int) -> list[str]:
    """Return the heads of a quantity's RMSEs: of the mean, then of every member."""
    names = ["mean", *(f"member{m + 1}" for m in range(n_members))]
    return [f"{part}_{quantity}_rmse_{name}_{QUANTITIES[quantity].column}" for name in names]


def _row_of_record(record: EpochRecord) -> dict[str, object]:
    numbers: dict[str, float] = {}
    for part in _PARTS:
        for name, rmse in getattr(record, part).items():
            values = (rmse["mean"], *rmse["members"])
            numbers |= dict(zip(_heads(part, name, len(rmse["members"])), values, strict=True))
    for head, errors in ((_MAPPING, record.mapping), (_KEPT, record.kept_mapping)):
        numbers |= {f"{head}{name}{_MEV}": error for name, error in errors.items()}
    row: dict[str, object] = {"epoch": record.epoch, "seconds": f"{record.seconds:.4f}"}
    row |= {"optimizer": record.optimizer}
    row |= {} if record.cpu_seconds is None else {_CPU: f"{record.cpu_seconds:.4f}"}
    alive = "".join("1" if a else "0" for a in record.alive)
    messages = ([message.text for message in record.messages], [m.severity for m in record.messages])
    last = (alive, int(record.best), *map(json.dumps, messages))
    row |= {head: repr(float(v)) if np.isfinite(v) else "" for head, v in numbers.items()}
    return row | dict(zip(_LAST, last, strict=True))


def _checksum(run: str, table: Sequence[Sequence[str]]) -> str:
    return hashlib.sha256(json.dumps([run, table]).encode()).hexdigest()[:16]


def parse_history_csv(text: str, run: str = "") -> list[EpochRecord]:
    """Read what :func:`history_csv` wrote, with its checksum where the id of a ``run`` is given.

    ValueError says what is wrong: the line, or that the table was changed or belongs to another run.
    """
    reader = csv.reader(io.StringIO(text))
    records, lines = [], []
    try:
        heads = next(reader, [])
        for line in filter(None, reader):
            lines.append(line)
            records.append(_record_of_row(dict(zip(heads, line, strict=True))))
    except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError) as error:
        raise ValueError(f"line {reader.line_num} is cut off or damaged") from error
    except csv.Error as error:
        raise ValueError(f"line {reader.line_num} is cut off or damaged") from error
    if run:
        rows = [line[:-1] for line in lines]
        if heads[-1:] != [_CHECK] or not lines or lines[-1][-1] != _checksum(run, [heads[:-1], *rows]):
            raise ValueError("it was changed, has lost lines, or is of another training")
    return records


def _record_of_row(row: dict[str, str]) -> EpochRecord:
    parts: dict[str, dict[str, Any]] = {part: {} for part in _PARTS}
    for part, found in parts.items():
        for name in QUANTITIES:
            heads = _heads(part, name, len(row["alive"]))
            if heads[0] in row and any(row[head] for head in heads):
                found[name] = {"mean": row[heads[0]], "members": [row[head] for head in heads[1:]]}
    if not set(row["alive"]) <= {"0", "1"} or row["best"] not in ("0", "1"):
        raise ValueError(row["alive"])
    values = {
        "alive": [c == "1" for c in row["alive"]],
        "messages": json.loads(row["messages"]),
        "severities": json.loads(row.get("severities") or "null"),
        "best": row["best"] == "1",
        "mapping": _entries(row, _MAPPING),
        "kept_mapping": _entries(row, _KEPT),
    }
    return EpochRecord.from_dict(row | parts | values)


def _entries(row: dict[str, str], start: str) -> dict[str, str]:
    """Return the mapping errors of a row by name, whose heads begin so."""
    return {
        head[len(start) : -len(_MEV)]: text
        for head, text in row.items()
        if text and head.startswith(start) and head.endswith(_MEV)
    }


def messages_of(records: Iterable[EpochRecord]) -> list[str]:
    """Return all messages in order, each with its epoch."""
    return [f"Epoch {record.epoch}: {message.text}" for record in records for message in record.messages]
