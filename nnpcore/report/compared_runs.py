"""Runs side by side in one table: what differs in their settings, their data, errors, verdicts and times.

Window and command line show this table. A run that is damaged costs its own row only, which says why.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from nnpcore.analyses.errors import RUN_ERRORS
from nnpcore.analyses.verdict import VERDICT
from nnpcore.errors import AnalysisError, EatlasError
from nnpcore.foreign_text import printable_line
from nnpcore.progress import Progress
from nnpcore.properties.comparing import number
from nnpcore.report.content import NOTHING, significant
from nnpcore.report.facts import JUDGED, RunFacts, analyse, read_run
from nnpcore.training import RunFolder, TrainSettings
from nnpcore.training.data_sources import ROLES
from nnpcore.training.declared import declarations
from nnpcore.training.history import EpochRecord, best_record
from nnpcore.training.notes import NO_NOTE, RunNote, read_note
from nnpcore.training.quantities import QUANTITIES

if TYPE_CHECKING:
    from nnpcore.figures.tables import Table
    from nnpcore.mapping import RegionSet
    from nnpcore.properties import Properties
    from nnpcore.structures.frame import Frame
    from nnpcore.training.data_sources import DataSource

SETTING, DATA, ERROR, MAPPING, PROPERTY, COST = "setting", "data", "error", "mapping", "property", "cost"
PARTS = (SETTING, ERROR, MAPPING, PROPERTY, DATA, COST)
"""What columns are about, in the order in which they stand."""

HASH = 12
"""Characters of a hash that are shown, as in the paragraph on methods."""

_Found = TypeVar("_Found")


@dataclass(frozen=True)
class Head:
    """A column.

    Attributes
    ----------
    part : one of :data:`PARTS`. title : unique among all. unit : of its numbers.
    """

    part: str
    title: str
    unit: str = ""

    @property
    def name(self) -> str:
        """Title with its unit."""
        return f"{self.title} ({self.unit})" if self.unit else self.title


_VERDICT = Head(MAPPING, "Verdict")
_MET = "training as met in the best epoch"
"""Role of errors while the weights changed: all that is known of training frames before one computes."""


@dataclass(frozen=True)
class Cell:
    """What a run has in a column: a number, a text or None; ``spread`` of a number, ``tip`` to explain."""

    value: float | int | str | None
    spread: float | None = None
    tip: str = ""


@dataclass(frozen=True, eq=False)
class ComparedRun:
    """One row.

    Attributes
    ----------
    path : the run's folder. name : as shown. note : what its user says of it.
    cells : by column. trouble : why there is nothing, or not all; empty where all is well.
    """

    path: Path
    name: str
    cells: Mapping[Head, Cell] = field(default_factory=dict)
    note: RunNote = NO_NOTE
    trouble: str = ""

    def text(self, head: Head) -> str:
        """Return what its cell of a column says; a dash where there is nothing."""
        cell = self.cells.get(head)
        if cell is None or cell.value is None:
            return NOTHING
        if not isinstance(cell.value, float):
            return printable_line(str(cell.value))
        texts = [_number(head, value) for value in (cell.value, cell.spread) if value is not None]
        return " ± ".join(texts)


@dataclass(frozen=True, eq=False)
class ComparedRuns:
    """Some runs in one table; of the settings only those that differ have columns."""

    runs: tuple[ComparedRun, ...]

    @property
    def heads(self) -> tuple[Head, ...]:
        """The columns behind name, star and note, part by part."""
        known = dict.fromkeys(head for run in self.runs for head in run.cells)
        shown = [head for head in known if head.part != SETTING or self._differs(head)]
        return tuple(sorted(shown, key=lambda head: (PARTS.index(head.part), head != _VERDICT)))

    def _differs(self, head: Head) -> bool:
        values = {run.cells[head].value for run in self.runs if head in run.cells}
        return len(values) > 1

    def head(self, text: str) -> Head:
        """Return the column of a title, or the one whose title has this text in it.

        Raises AnalysisError where none has, or several have.
        """
        wanted, heads = text.casefold().strip(), self.heads
        exact = [head for head in heads if wanted in (head.title.casefold(), head.name.casefold())]
        found = exact or [head for head in heads if wanted in head.title.casefold()]
        if len(found) == 1:
            return found[0]
        what = (
            f"{len(found)} columns have {text!r} in their name" if found else f"no column is called {text!r}"
        )
        names = "; ".join(head.title for head in found or heads)
        raise AnalysisError(what, fix=f"Name one of these: {names}")

    def sorted_by(self, head: Head, *, descending: bool = False) -> ComparedRuns:
        """Return the runs by what a column has, those without it last; mapping errors by their size."""
        return self.sorted_with(lambda run: _sorted_by(run, head), descending=descending)

    def sorted_with(self, value: Callable[[ComparedRun], Any], *, descending: bool = False) -> ComparedRuns:
        """Return the runs by a value of theirs, those without one (None) last; equal ones stay in order."""
        known = [run for run in self.runs if value(run) is not None]
        rest = [run for run in self.runs if value(run) is None]
        known.sort(key=lambda run: _order(value(run)), reverse=descending)
        return ComparedRuns((*known, *rest))

    def table(self) -> Table:
        """Return all as columns, one row a run: numbers in full, spreads in columns of their own."""
        columns: dict[str, Sequence[object]] = {
            "run": [run.name for run in self.runs],
            "star": [int(run.note.star) for run in self.runs],
            "note": [run.note.text for run in self.runs],
        }
        for head in self.heads:
            columns[head.name] = [_value(run, head) for run in self.runs]
            spreads = [run.cells[head].spread if head in run.cells else None for run in self.runs]
            if any(spread is not None for spread in spreads):
                columns[f"{head.name}, spread"] = spreads
        return columns | {
            "folder": [str(r.path) for r in self.runs],
            "trouble": [r.trouble for r in self.runs],
        }

    def to_dict(self) -> dict[str, Any]:
        """Return the columns, and the runs with their values by column, as JSON holds them."""
        heads = self.heads
        return {
            "columns": [{"title": head.title, "part": head.part, "unit": head.unit} for head in heads],
            "runs": [
                {
                    "run": run.path,
                    "name": run.name,
                    "star": run.note.star,
                    "note": run.note.text,
                    "trouble": run.trouble,
                    "values": {head.title: _value(run, head) for head in heads if head in run.cells},
                    "spreads": {h.title: c.spread for h, c in run.cells.items() if c.spread is not None},
                }
                for run in self.runs
            ],
        }


def _number(head: Head, value: float) -> str:
    """Return a number as it is shown in a column."""
    if head.part == COST:
        return f"{value:.1f}"
    return number(value, head.unit) if head.part == PROPERTY else significant(value)


def _value(run: ComparedRun, head: Head) -> float | int | str | None:
    cell = run.cells.get(head)
    value = None if cell is None else cell.value
    return None if isinstance(value, float) and value != value else value


def _sorted_by(run: ComparedRun, head: Head) -> float | int | str | None:
    value = _value(run, head)
    return abs(value) if head.part == MAPPING and isinstance(value, float) else value


def _order(value: object) -> tuple[int, float, str]:
    """Return what values are sorted by: numbers, then texts."""
    if isinstance(value, int | float):
        return 0, float(value), ""
    return 1, 0.0, str(value).casefold()


# the runs ---------------------------------------------------------------------------------------------
def compare_runs(
    paths: Sequence[str | Path],
    *,
    judge: bool = True,
    eos: Sequence[Frame] | None = None,
    regions: Sequence[RegionSet] = (),
    properties: Sequence[Properties] = (),
    n_threads: int | None = None,
    progress: Progress | None = None,
) -> ComparedRuns:
    """Return runs by their folders in one table.

    Parameters
    ----------
    judge : compute verdicts and errors by group, too; else what the folders say.
    eos, regions : by which all are judged; by what each has monitored where they are not given.
    properties : of models that are called as the runs' folders are.
    """
    told = progress or Progress()
    folders, found = [Path(path).absolute() for path in paths], []
    names = unique_names(folders)
    for folder, part in zip(folders, told.split(len(folders)), strict=True):
        told.check()
        known = next((one for one in properties if one.name == folder.name), None)
        found.append(
            compared_run(
                folder, names[folder], judge=judge, eos=eos, regions=regions, properties=known,
                n_threads=n_threads, progress=part,
            )
        )  # fmt: skip
    return ComparedRuns(tuple(found))


def unique_names(folders: Sequence[Path]) -> dict[Path, str]:
    """Return the folders' names, with their parents' where two are called the same."""
    times = Counter(folder.name for folder in dict.fromkeys(folders))
    return {f: f.name if times[f.name] == 1 else f"{f.parent.name}/{f.name}" for f in folders}


def compared_run(
    path: Path,
    name: str = "",
    *,
    judge: bool = True,
    eos: Sequence[Frame] | None = None,
    regions: Sequence[RegionSet] = (),
    properties: Properties | None = None,
    n_threads: int | None = None,
    progress: Progress | None = None,
) -> ComparedRun:
    """Return a run's row; what cannot be read becomes its trouble. Parameters as for :func:`compare_runs`."""
    from nnpcore.potential import Potential

    trouble: list[str] = []
    name = name or path.name
    folder = _or_trouble(trouble, lambda: RunFolder.open(path))
    if folder is None:
        return ComparedRun(path, name, trouble=trouble[0])
    note = _or_trouble(trouble, lambda: read_note(folder)) or NO_NOTE
    cells = {} if folder.imported else setting_cells(folder.settings)
    cells |= data_cells(folder.sources)
    history = _or_trouble(trouble, folder.read_history)
    potential = _or_trouble(trouble, lambda: Potential.load(folder.path))
    if history is not None and potential is not None:
        _or_trouble(trouble, partial(folder.refuse_unbegun, history))
        test = potential.info.get("test")
        cells |= _reached_cells(history, test if isinstance(test, dict) else {})
        if judge:
            told = progress or Progress()

            def judged() -> RunFacts:
                facts = read_run(path, eos, regions, told)
                analyse(facts, n_threads, told, (*JUDGED, RUN_ERRORS))
                return facts

            facts = _or_trouble(trouble, judged)
            cells = cells if facts is None else _with_judged(cells, _judged_cells(facts))
    cells |= {} if properties is None else property_cells(properties)
    return ComparedRun(path, name, cells, note, "; ".join(dict.fromkeys(trouble)))


def _or_trouble(trouble: list[str], work: Callable[[], _Found]) -> _Found | None:
    """Return what ``work`` finds; None where it cannot, with the reason kept."""
    try:
        return work()
    except (EatlasError, OSError) as error:
        trouble.append(str(error))
        return None


# its cells --------------------------------------------------------------------------------------------
@cache
def _titles() -> dict[str, str]:
    """Return what settings are called, by their paths."""
    found = {}
    for one in declarations(TrainSettings):
        shown = one.setting.shown
        found[one.path] = f"{shown.group}: {shown.label}" if shown else one.path.replace("_", " ")
    return found


def _named(path: str) -> str:
    """Return what a part of a setting is called."""
    of, _, name = path.rpartition(".")
    parts = {"descriptors": "Symmetry functions: ", "kalman": "Kalman filter: "}
    return f"{parts.get(of, '')}{name.replace('_', ' ')}"


def setting_cells(settings: TrainSettings) -> dict[Head, Cell]:
    """Return all settings of a training by name."""
    cells = {}
    for path, value in _flat(settings.model_dump(mode="json")):
        title = _titles().get(path) or _named(path)
        cells[Head(SETTING, title)] = Cell(_setting(path, value))
    return cells


def _flat(values: Mapping[str, Any], before: str = "") -> Iterable[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, dict) and name in ("descriptors", "kalman"):
            yield from _flat(value, f"{name}.")
        else:
            yield f"{before}{name}", value


def _setting(path: str, value: Any) -> float | int | str:
    """Return a setting's value so that it can be compared and shown."""
    if value is None:
        return "automatic" if path != "descriptors.functions" else "none"
    if path == "atom_energies" and value == "auto":
        return "fitted"  # what it comes to without frames of isolated atoms; a resume calls it so
    if isinstance(value, bool | str):
        return str(value)
    if isinstance(value, int | float):
        return value
    if path == "hidden":
        return "-".join(map(str, value))
    text = json.dumps(value, sort_keys=True)
    if path == "descriptors.functions":
        return f"{sum(map(len, value.values()))} functions, {_hash(text)[:6]}"
    if path == "left_out":
        return f"{len(value)} frames, {_hash(text)[:6]}" if value else "none"
    return text if value else "none"


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def data_cells(sources: Sequence[DataSource]) -> dict[Head, Cell]:
    """Return how many frames each role has, and a hash of them: the same for the same frames alone."""
    cells = {}
    for role in ROLES:
        own = [source for source in sources if source.role == role]
        if own:
            hashes = [source.fingerprint for source in own]
            one = hashes[0] if len(hashes) == 1 else _hash(" ".join(hashes))
            files = ", ".join(dict.fromkeys(Path(source.path).name or "(no file)" for source in own))
            cells[Head(DATA, f"{role.capitalize()} frames")] = Cell(
                sum(len(s.indices) for s in own), tip=files
            )
            cells[Head(DATA, f"{role.capitalize()} data, SHA-256")] = Cell(one[:HASH], tip=files)
    return cells


def _error_head(role: str, quantity: str, group: str = "") -> Head:
    where = f"{role}, {group}" if group else role
    return Head(ERROR, f"{quantity.capitalize()} RMSE, {where}", QUANTITIES[quantity].unit)


def _reached_cells(history: Sequence[EpochRecord], test: Mapping[str, Any]) -> dict[Head, Cell]:
    """Return the errors of the best epoch, those on test frames, the mapping error, epochs and time."""
    record = best_record(history)
    cells: dict[Head, Cell] = {}
    for role, rmses in (("validation", record.valid), (_MET, record.train)) if record else ():
        for quantity in QUANTITIES:
            if quantity in rmses:
                cells[_error_head(role, quantity)] = Cell(float(rmses[quantity]["mean"]))
    for name, quantity in QUANTITIES.items():
        mean = (test.get(quantity.report_key) or {}).get("mean")
        if mean is not None:
            cells[_error_head("test", name)] = Cell(float(mean))
    if record is not None and record.mapping:
        name, largest = max(record.mapping.items(), key=lambda one: abs(one[1]))
        cells[Head(MAPPING, "Largest monitored mapping error", "meV/atom")] = Cell(float(largest), tip=name)
    if record is not None:
        cells[Head(COST, "Epochs")] = Cell(history[-1].epoch)
        cells[Head(COST, "Best epoch")] = Cell(record.epoch)
        cells |= _time_cells(history[-1])
    return cells


def _time_cells(last: EpochRecord) -> dict[Head, Cell]:
    """Return what the epochs took by the clock and of the processor, or that only the clock is kept."""
    tip = "Of all epochs, without pauses and validation"
    clock, cpu = float(last.seconds), last.cpu_seconds
    if cpu is None:
        own = Cell(f"not kept; {clock:.1f} s by the clock", tip="Trained by a version without it")
    else:
        own = Cell(float(cpu), tip=f"{tip}, all threads")
    return {Head(COST, "Training time", "s"): Cell(clock, tip=tip), Head(COST, "CPU time", "s"): own}


def _with_judged(cells: dict[Head, Cell], judged: dict[Head, Cell]) -> dict[Head, Cell]:
    """Return both; errors of training frames as they were met go where those of the networks are known."""
    met = {_error_head(_MET, name): _error_head("training", name) for name in QUANTITIES}
    return {head: cell for head, cell in cells.items() if met.get(head) not in judged} | judged


def _judged_cells(facts: RunFacts) -> dict[Head, Cell]:
    """Return the verdict with what was judged, and errors by group where there are several groups."""
    cells: dict[Head, Cell] = {}
    verdict = facts.found(VERDICT)
    if verdict is not None:
        cells[_VERDICT] = Cell(verdict.level, tip=verdict.text)
        if facts.eos:
            cells[Head(MAPPING, "Judged by")] = Cell(_scan_name(facts))
        for one in verdict.findings:
            subject = one.subject[:1].upper() + one.subject[1:]
            cells[Head(MAPPING, f"{subject}, error", one.unit)] = Cell(float(one.error), tip=one.text)
            if one.foretold is not None:
                head = Head(MAPPING, f"{subject}, foretold spread", one.unit)
                cells[head] = Cell(float(one.foretold))
    errors = facts.found(RUN_ERRORS)
    if errors is not None and "training" in errors.roles:
        whole = errors.errors.sums(np.array(errors.roles) == "training").rmses()
        for name in (name for name in QUANTITIES if name in whole):
            cells[_error_head("training", name)] = Cell(float(whole[name]["mean"]))
    groups = () if errors is None else errors.by_group
    if len({one.group for one in groups}) > 1:
        for one in groups:
            for name in QUANTITIES:
                if name in one.rmses:
                    cell = Cell(float(one.rmses[name]["mean"]), tip=f"{one.n_frames} frames")
                    cells[_error_head(one.role, name, one.group)] = cell
    return cells


def _scan_name(facts: RunFacts) -> str:
    source = facts.eos[0].source
    return facts.scan_name or (Path(source).name if source else f"{len(facts.eos)} frames")


def property_cells(properties: Properties) -> dict[Head, Cell]:
    """Return what was found of a crystal, where there is a number."""
    return {
        Head(PROPERTY, one.title, one.unit): Cell(float(one.value), one.spread, properties.crystal)
        for one in properties.values.values()
        if one.value is not None
    }
