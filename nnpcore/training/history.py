"""What a training has reached, epoch by epoch: the record, its JSON form and its CSV table."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypedDict

import numpy as np

QUANTITIES: dict[str, str] = {"energy": "meV_per_atom", "force": "eV_per_ang", "stress": "gpa"}
"""Quantities an RMSE is given for, with their units as they stand in the table's head."""

_MAPPING, _MEV = "mapping_", "_mev"  # around the name of a mapping error in the table's head


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
    optimizer : its name, "kalman", "adam" or "lbfgs".
    train, valid : by quantity, "energy" in meV/atom, "force" in eV/Å per component, "stress" in GPa per
        component; a quantity without reference data is absent. ``valid`` is exact; ``train`` is the running
        value of the epoch (every frame as it was predicted when its turn came, forces by their random
        projections for the Kalman filter), and exact only in the final report.
    alive : (n_members,) bool, False for a member that has been stopped.
    messages : what happened in this epoch.
    best : whether some member reached its best validation score in this epoch.
    mapping : name of an invariant point or region -> mapping error of the ensemble mean after this epoch,
        meV/atom; empty without a monitor.
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

    def to_dict(self) -> dict[str, Any]:
        """Return plain values that JSON can hold; floats keep every bit, NaN becomes None."""
        return {
            "epoch": self.epoch,
            "seconds": self.seconds,
            "optimizer": self.optimizer,
            "train": _plain_rmses(self.train),
            "valid": _plain_rmses(self.valid),
            "alive": [bool(a) for a in self.alive],
            "messages": [message.text for message in self.messages],
            "severities": [message.severity for message in self.messages],
            "best": self.best,
            "mapping": {name: e if np.isfinite(e) else None for name, e in self.mapping.items()},
        }

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
            mapping={str(n): np.nan if e is None else float(e) for n, e in values.get("mapping", {}).items()},
        )


def best_record(history: Sequence[EpochRecord]) -> EpochRecord | None:
    """Return the record that describes the potential at hand: the last one marked best, else the last."""
    marked = next((record for record in reversed(history) if record.best), None)
    return marked or (history[-1] if history else None)


def energy_rmse(history: Sequence[EpochRecord]) -> float | None:
    """Return the energy RMSE of the ensemble's mean by :func:`best_record`, meV/atom.

    It is that of the validation frames, of the training frames where there are none. Not the lowest of all
    epochs: no potential need have that one.
    """
    record = best_record(history)
    rmses = (record.valid or record.train) if record is not None else {}
    value = float(rmses["energy"]["mean"]) if "energy" in rmses else np.nan
    return value if np.isfinite(value) else None


def _plain_rmses(rmses: dict[str, Rmse]) -> dict[str, Any]:
    plain: dict[str, Any] = {}
    for name, rmse in rmses.items():
        members = [float(v) if np.isfinite(v) else None for v in rmse["members"]]
        plain[name] = {"members": members, "mean": float(rmse["mean"]) if np.isfinite(rmse["mean"]) else None}
    return plain


def _rmses(values: dict[str, Any]) -> dict[str, Rmse]:
    def number(value: float | None) -> float:
        return float("nan") if value is None else float(value)

    return {
        name: Rmse(members=np.array([number(v) for v in rmse["members"]]), mean=number(rmse["mean"]))
        for name, rmse in values.items()
    }


def history_csv(records: Sequence[EpochRecord]) -> str:
    """Return the history as a CSV table: one row an epoch, one column a quantity and member."""
    columns = _columns(records)
    mapped = list(dict.fromkeys(name for record in records for name in record.mapping))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(
        ["epoch", "seconds", "optimizer", *(head for head, *_ in columns)]
        + [f"{_MAPPING}{name}{_MEV}" for name in mapped]
        + ["alive", "best", "messages", "severities"]
    )
    for record in records:
        numbers = [_cell(record, part, name, member) for _, part, name, member in columns]
        numbers += [_number_text(record.mapping.get(name, np.nan)) for name in mapped]
        alive = "".join("1" if a else "0" for a in record.alive)
        head = [record.epoch, f"{record.seconds:.4f}", record.optimizer]
        texts = json.dumps([message.text for message in record.messages])
        severities = json.dumps([message.severity for message in record.messages])
        writer.writerow([*head, *numbers, alive, int(record.best), texts, severities])
    return text.getvalue()


def _columns(records: Sequence[EpochRecord]) -> list[tuple[str, str, str, int | None]]:
    """Return (head, part, quantity, member or None for the mean) of every numeric column."""
    n_members = len(records[0].alive) if records else 0
    columns: list[tuple[str, str, str, int | None]] = []
    for part in ("train", "valid"):
        for name, unit in QUANTITIES.items():
            if not any(name in getattr(record, part) for record in records):
                continue
            columns.append((f"{part}_{name}_rmse_mean_{unit}", part, name, None))
            for member in range(n_members):
                columns.append((f"{part}_{name}_rmse_member{member + 1}_{unit}", part, name, member))
    return columns


def _cell(record: EpochRecord, part: str, name: str, member: int | None) -> str:
    rmse: Rmse | None = getattr(record, part).get(name)
    if rmse is None:
        return ""
    return _number_text(rmse["mean"] if member is None else rmse["members"][member])


def _number_text(value: float) -> str:
    return repr(float(value)) if np.isfinite(value) else ""


def parse_history_csv(text: str) -> list[EpochRecord]:
    """Read what :func:`history_csv` wrote; ValueError or KeyError where the table is damaged."""
    return [_record_of_row(row) for row in csv.DictReader(io.StringIO(text))]


def _record_of_row(row: dict[str, str]) -> EpochRecord:
    alive = np.array([c == "1" for c in row["alive"]], dtype=bool)
    return EpochRecord(
        epoch=int(row["epoch"]),
        seconds=float(row["seconds"]),
        optimizer=row["optimizer"],
        train=_rmses_of_row(row, "train", len(alive)),
        valid=_rmses_of_row(row, "valid", len(alive)),
        alive=alive,
        messages=_messages(json.loads(row["messages"]), json.loads(row.get("severities") or "null")),
        best=row["best"] == "1",
        mapping={
            head[len(_MAPPING) : -len(_MEV)]: float(text)
            for head, text in row.items()
            if text and head.startswith(_MAPPING) and head.endswith(_MEV)
        },
    )


def _rmses_of_row(row: dict[str, str], part: str, n_members: int) -> dict[str, Rmse]:
    def number(text: str) -> float:
        return float(text) if text else float("nan")

    found: dict[str, Rmse] = {}
    for name, unit in QUANTITIES.items():
        heads = [f"{part}_{name}_rmse_member{m + 1}_{unit}" for m in range(n_members)]
        mean = f"{part}_{name}_rmse_mean_{unit}"
        if mean in row and any(row[head] for head in (mean, *heads)):
            found[name] = Rmse(members=np.array([number(row[h]) for h in heads]), mean=number(row[mean]))
    return found


def messages_of(records: Iterable[EpochRecord]) -> list[str]:
    """Return all messages in order, each with its epoch."""
    return [f"Epoch {record.epoch}: {message.text}" for record in records for message in record.messages]
