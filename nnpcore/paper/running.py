"""The studies by name, and running one or all of them in a folder."""

from __future__ import annotations

import importlib
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from nnpcore.errors import Cancelled, EatlasError, RunFolderError, SettingsError
from nnpcore.files import FileFormat, write_atomically, writing_failed
from nnpcore.paper.claims import StudyRecord, merge_claims, module_of, read_record, write_json
from nnpcore.paper.columns import COLUMNS, DEFAULT, columns_text
from nnpcore.paper.context import SESSION, StudyContext, StudyOutcome
from nnpcore.paper.page import write_report
from nnpcore.progress import Progress

MARKER = "paper.json"
FORMAT = FileFormat(
    name="eatlas paper",
    version=1,
    noun="a folder of the paper's studies",
    error=RunFolderError,
    fix="Choose a new or empty folder",
)
ALL = "all"
COLUMNS_FILE = "columns.md"


@dataclass(frozen=True)
class Study:
    """One study: its name, what it shows, and how much of the time of all it takes.

    Calling it loads its module and calls the module's ``run``.
    """

    name: str
    title: str
    effort: float = 1.0

    def __call__(self, context: StudyContext) -> StudyOutcome:
        """Run the study.

        Raises
        ------
        SettingsError : this installation lacks it.
        """
        module = module_of(self.name)
        try:
            loaded = importlib.import_module(module)
        except ModuleNotFoundError as error:
            if error.name != module:
                raise
            raise SettingsError(
                "this installation of Eatlas lacks the study", where=self.name, fix="Install Eatlas again"
            ) from None
        return loaded.run(context)


_STUDIES = (
    Study("fig1", "Good totals, wrong equation of state: silicon at one volume", 0.5),
    Study("fig2", "Bulk and surface of a slab against temperature", 1.5),
    Study("fig3", "A nanocluster teaches surfaces; the RMSE settles long before the mapping", 2.0),
    Study("spline", "A network that sees only sums learns the function itself, unless it cannot", 0.1),
    Study("cluster", "Nickel nanocluster: every atomic energy against its reference", 0.5),
    Study("connectivity", "Mapping error against connectivity in G space", 1.0),
    Study("surface", "Surface energies of relaxed slabs", 1.0),
    Study("smooth", "A closed-form part under the networks makes the map truer at the same RMSE", 1.2),
    Study("optimizer", "Which optimizer and size map most faithfully at equal RMSE", 0.8),
    Study("regularization", "Regularization chosen by mapping error and by RMSE", 0.9),
    Study(
        "foretold", "How large the error of an atomic energy is: foretold from the training data alone", 1.0
    ),
)

STUDIES: dict[str, Study] = {study.name: study for study in _STUDIES}
"""All studies by name, in the order they are run."""


def titles() -> dict[str, str]:
    """Return the studies' titles by name."""
    return {name: study.title for name, study in STUDIES.items()}


@dataclass(frozen=True)
class PaperResult:
    """What running studies has come to: claims of all studies in the folder, and what failed."""

    folder: Path
    outcomes: dict[str, StudyOutcome]
    failures: dict[str, str]
    records: list[StudyRecord]


def names_of(name: str) -> tuple[str, ...]:
    """Return the studies that a name stands for; ``all`` is all of them.

    Raises
    ------
    SettingsError : there is no such study.
    """
    if name == ALL:
        return tuple(STUDIES)
    if name not in STUDIES:
        choices = ", ".join((*STUDIES, ALL))
        raise SettingsError("there is no study of this name", where=name, fix=f"Choose one of {choices}")
    return (name,)


def run_studies(
    names: Sequence[str],
    folder: str | Path,
    *,
    quick: bool = False,
    seed: int = 0,
    n_threads: int | None = None,
    networks: str = DEFAULT,
    resume: bool = False,
    progress: Progress | None = None,
    on_text: Callable[[str], None] | None = None,
) -> PaperResult:
    """Run studies one after the other; one that fails does not take the others with it.

    Parameters
    ----------
    names : of :data:`STUDIES`.
    folder : new, empty, or made by this function; a study writes into ``folder/NAME`` and ``claims.json``.
    quick, seed, n_threads : see :class:`StudyContext`.
    networks : of which version: "default", or "0.2.0", whose studies stand in ``folder/0.2.0`` and share the
        samples. ``folder/columns.md`` sets the claims of both side by side.
    resume : leave out studies that have ended with the same choices, and take trainings that are there.
    progress : told the part of all studies that is done; may cancel, which keeps those that have ended.
    on_text : told sentences about what is going on.

    Raises
    ------
    SettingsError : an unknown study. RunFolderError : the folder cannot be used. Cancelled.
    """
    chosen = [STUDIES[single] for name in names for single in names_of(name)]
    top = paper_folder(folder)
    folder = column_folder(top, networks)
    whole = progress or Progress()
    outcomes: dict[str, StudyOutcome] = {}
    failures: dict[str, str] = {}
    for study, share in zip(chosen, whole.split([study.effort for study in chosen]), strict=True):
        part = share.part(0.0, 1.0, study.name)
        context = StudyContext(study.name, folder, quick, seed, n_threads, part, on_text, networks, resume)
        if resume and _has_ended(context):
            continue
        found = _run_or_failure(study, context)
        if not isinstance(found, str):
            outcomes[study.name] = found
            continue
        failures[study.name] = found
        if on_text is not None:
            on_text(f"{study.name} failed: {found}")
    records = merge_claims(folder, list(STUDIES))
    write_columns(top)
    return PaperResult(folder, outcomes, failures, records)


def _run_or_failure(study: Study, context: StudyContext) -> StudyOutcome | str:
    """Return what a study has found, or why it failed; Cancelled goes on."""
    try:
        return _run(study, context)
    except Cancelled:
        raise
    except EatlasError as error:
        return str(error)
    except Exception as error:  # a mistake of ours: the others go on, its traceback is kept
        traceback.print_exc()
        return f"unexpected {type(error).__name__}: {error}"


def column_folder(top: Path, networks: str) -> Path:
    """Return the folder of a column's studies: the top one for the usual networks."""
    if networks not in COLUMNS:
        raise SettingsError(
            "there are no networks of this name", where=networks, fix=f"Choose {' or '.join(COLUMNS)}"
        )
    return top if networks == DEFAULT else paper_folder(top / networks)


def _has_ended(context: StudyContext) -> bool:
    """Whether a study has left its claims, run just so."""
    record = read_record(context.own)
    wanted = (context.quick, context.seed, context.networks)
    return record is not None and (record.quick, record.seed, record.networks) == wanted


def write_columns(top: Path) -> None:
    """Write ``columns.md`` where there is more than one column."""
    folders = {column: top if column == DEFAULT else top / column for column in COLUMNS}
    records = {c: [r for name in STUDIES if (r := read_record(f / name))] for c, f in folders.items()}
    if all(records.values()):
        write_atomically(top / COLUMNS_FILE, columns_text(records, titles()).encode())


def run_study(
    name: str,
    folder: str | Path,
    quick: bool = False,
    *,
    seed: int = 0,
    n_threads: int | None = None,
    progress: Progress | None = None,
    on_text: Callable[[str], None] | None = None,
) -> StudyOutcome:
    """Run one study in ``folder/NAME`` and bring ``folder/claims.json`` up to date; errors are raised.

    Parameters and errors as for :func:`run_studies`, and whatever the study raises.
    """
    if name == ALL:
        raise SettingsError("one study is wanted here, not all", where=name, fix=", ".join(STUDIES))
    (single,) = names_of(name)
    folder = paper_folder(folder)
    context = StudyContext(single, folder, quick, seed, n_threads, progress or Progress(), on_text)
    return _run(STUDIES[single], context)


def _run(study: Callable[[StudyContext], StudyOutcome], context: StudyContext) -> StudyOutcome:
    """Run a study and write its claims and its session."""
    started = time.perf_counter()
    context.report(0.0, "")
    outcome = study(context)
    seconds = round(time.perf_counter() - started, 1)
    pictures = tuple(path.name for path in outcome.figures if path.suffix == ".png")
    record = StudyRecord(
        context.name, context.quick, context.seed, seconds, tuple(outcome.claims), pictures, context.networks,
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
    )  # fmt: skip
    if outcome.session is not None:
        write_json(context.own / SESSION, outcome.session)
    record.write(context.own)
    write_report(context.folder, merge_claims(context.folder, list(STUDIES)), titles())
    held = sum(claim.holds for claim in outcome.claims)
    context.tell(f"{held} of {len(outcome.claims)} claims hold, after {seconds:.0f} s")
    return outcome


def paper_folder(folder: str | Path) -> Path:
    """Return the folder of the studies, made and marked where it is new.

    Raises
    ------
    RunFolderError : it cannot be written, or holds something else.
    """
    path = Path(folder).absolute()
    try:
        path.mkdir(parents=True, exist_ok=True)
        entries = sorted(entry.name for entry in path.iterdir())
    except OSError as error:
        raise writing_failed(error, path) from error
    if entries and MARKER not in entries:
        raise RunFolderError(
            f"this folder holds other things already ({entries[0]}, ...)",
            where=str(path),
            fix="Choose a new or empty folder, or one that `eatlas paper` has made",
        )
    if entries:
        with FORMAT.reading(path / MARKER):
            pass
    write_json(path / MARKER, FORMAT.mark)
    return path
