"""The sections of a report on the run itself: settings, data, training curves, versions, citation."""

from __future__ import annotations

import platform
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from nnpcore.analyses.errors import OUTLIERS, RUN_ERRORS
from nnpcore.figures import training_figure
from nnpcore.installation import VERSION
from nnpcore.mapping.outliers import MANY
from nnpcore.report.content import (
    NOTHING,
    Block,
    Code,
    Picture,
    Section,
    Table,
    Text,
    counted,
    missing,
    number,
    sentence,
    significant,
)
from nnpcore.report.run_info import potential_rows, training_rows
from nnpcore.structures.dataset import summarize
from nnpcore.training.history import EpochRecord, best_record, messages_of
from nnpcore.training.quantities import QUANTITIES, rmse_text

if TYPE_CHECKING:
    from nnpcore.report.facts import RunFacts
    from nnpcore.structures.frame import Frame
    from nnpcore.training import TrainSettings
    from nnpcore.training.history import Rmse

CITATION = (
    "D. Yoo, K. Lee, W. Jeong, D. Lee, S. Watanabe, S. Han, Atomic energy mapping of neural network "
    "potential, Physical Review Materials 3, 093802 (2019), doi:10.1103/PhysRevMaterials.3.093802"
)
PACKAGES = ("numpy", "numba", "scipy", "torch", "ase", "matplotlib")
MOST_MESSAGES = 12
MOST_OUTLIERS = 5


def about(facts: RunFacts, now: datetime) -> str:
    """Return the line under the title."""
    potential = facts.potential
    kind = f"Imported from {facts.folder.imported}" if facts.folder.imported else "Trained with Eatlas"
    members = counted(potential.n_members, "network")
    return f"{kind} · {', '.join(potential.elements)} · {members} · report of {now:%Y-%m-%d %H:%M}"


# settings ---------------------------------------------------------------------------------------------
def settings_section(facts: RunFacts) -> Section:
    """Return how the potential is made, and how it was trained."""
    rows = potential_rows(facts.potential, facts.folder.imported)
    blocks: list[Block] = []
    if facts.folder.imported:
        text = f"Another program ({facts.folder.imported}) trained this potential; how is not known here."
        blocks.append(missing(text))
    else:
        rows += training_rows(facts.folder.settings, facts.history)
    return Section("Settings", (*blocks, Table(("Setting", "Value"), tuple(rows), words=(0, 1))))


def settings_text(facts: RunFacts) -> Section:
    """Return settings.toml as it is, without a user's table of symmetry functions."""
    settings = facts.folder.settings
    if settings.descriptors.functions is None:
        return Section("All settings", (Code(_short_toml(settings)),))
    short = settings.replace(descriptors=settings.descriptors.replace(functions=None))
    text = "The table of symmetry functions stands in the run's settings.toml."
    return Section("All settings", (Text(text), Code(_short_toml(short))))


def _short_toml(settings: TrainSettings) -> str:
    """Return settings as TOML, lists of numbers on one line."""

    def joined(match: re.Match[str]) -> str:
        return f"[{', '.join(match.group(1).replace(',', ' ').split())}]"

    return re.sub(r"\[\n((?: +[-+.\w]+,\n)+)\]", joined, settings.to_toml().strip())


# data -------------------------------------------------------------------------------------------------
def data_section(facts: RunFacts) -> Section:
    """Return the files by role, with what their frames have."""
    sources = facts.folder.sources
    if not sources:
        return Section("Data", (missing(facts.trouble["frames"]),))
    groups = _by_file(facts)
    names = _short_names([path for _, path in groups])
    rows = []
    for role, path in groups:
        count, frames = groups[role, path]
        rows.append((role, names[path], f"{count}", *_content(frames)))
    head = ("Role", "File", "Frames", "Structure", "Atoms", "Energies", "Forces", "Stresses")
    blocks: list[Block] = [Table(head, tuple(rows), words=(0, 1, 3))]
    if facts.frames is None:
        why = sentence(facts.trouble["frames"])
        blocks.append(missing(f"What the frames hold could not be read again. {why}"))
    return Section("Data", tuple(blocks))


def _by_file(facts: RunFacts) -> dict[tuple[str, str], tuple[int, list[Frame]]]:
    """Return (role, path) -> number of frames, and the frames where they were found again."""
    groups: dict[tuple[str, str], tuple[int, list[Frame]]] = {}
    start: dict[str, int] = {}
    for source in facts.folder.sources:
        first = start.get(source.role, 0)
        start[source.role] = first + len(source.indices)
        found = (facts.frames or {}).get(source.role, [])[first : start[source.role]]
        count, frames = groups.get((source.role, source.path), (0, []))
        groups[source.role, source.path] = (count + len(source.indices), [*frames, *found])
    return groups


def _content(frames: Sequence[Frame]) -> tuple[str, ...]:
    if not frames:
        return (NOTHING,) * 5
    found = summarize(list(frames))
    total = sum(frame.n_atoms for frame in frames)
    return (found.formula, str(total), str(found.n_energies), str(found.n_forces), str(found.n_stresses))


def _short_names(paths: Sequence[str]) -> dict[str, str]:
    """Return files' names, with their folder's where two files are called the same."""
    names = [Path(path).name for path in dict.fromkeys(paths)]

    def short(path: str) -> str:
        name = Path(path).name
        if not name:
            return "(no file)"
        return name if names.count(name) == 1 else f"{Path(path).parent.name}/{name}"

    return {path: short(path) for path in paths}


# training curves --------------------------------------------------------------------------------------
def training_section(facts: RunFacts) -> Section:
    """Return the RMSEs: curves, a table of the best epoch, and those of the test."""
    history = facts.history
    title = "Training curves"
    if not any(record.train or record.valid for record in history):
        return Section(title, (missing("There are no training curves: no epoch is recorded."),))
    blocks: list[Block] = []
    if len(history) > 1:
        text = "RMSE by epoch: validation solid (its members shaded), training dashed."
        blocks.append(Picture(training_figure(history), "RMSE of energy, force and stress by epoch", text))
    else:
        text = "There is no curve: only one epoch is recorded."
        if history[0].optimizer == "imported":
            text = "There is no curve: the potential was not trained here."
        blocks.append(missing(text))
    blocks += [_rmse_table(history), *_tested(facts)]
    messages = messages_of(history)
    blocks += [Text(sentence(text)) for text in messages[:MOST_MESSAGES]]
    if len(messages) > MOST_MESSAGES:
        blocks.append(Text(f"And {len(messages) - MOST_MESSAGES} more messages in history.csv."))
    return Section(title, tuple(blocks))


def _tested(facts: RunFacts) -> list[Block]:
    """Return the errors on the test frames, or why there are none yet; nothing without such frames."""
    number = sum(len(source.indices) for source in facts.folder.sources if source.role == "test")
    frames, test = counted(number, "test frame"), facts.potential.info.get("test")
    if not number:
        return []
    if not isinstance(test, dict):
        text = f"The {frames} have not been looked at: the training was stopped, and may go on."
        return [missing(f"{text} `eatlas evaluate RUN` looks at them.")]
    return [
        Text(f"On {frames}, which no choice has seen, the RMSE of the kept potential is {rmse_text(test)}.")
    ]


def _rmse_table(history: Sequence[EpochRecord]) -> Table:
    record = best_record(history)
    assert record is not None
    rows = []
    for name, quantity in QUANTITIES.items():
        train, valid = record.train.get(name), record.valid.get(name)
        if train is None and valid is None:
            continue
        members = (valid or train or {"members": []})["members"]
        spread = f"{min(members):.3g} to {max(members):.3g}" if len(members) else NOTHING
        means = (significant(rmse["mean"]) if rmse else NOTHING for rmse in (train, valid))
        rows.append((f"{name} ({quantity.unit})", *means, spread))
    where = "validation" if record.valid else "training"
    caption = (
        "Of the ensemble's mean, on validation frames with every network as it is kept. The training frames "
        f"were looked at while epoch {record.epoch} went on."
    )
    return Table(("RMSE", "Training", "Validation", f"Members ({where})"), tuple(rows), caption=caption)


def groups_section(facts: RunFacts) -> tuple[Section, ...]:
    """Return the errors by group, and the largest against what is foretold; nothing without either."""
    errors, outliers = facts.found(RUN_ERRORS), facts.found(OUTLIERS)
    blocks: list[Block] = []
    if errors is not None and len(set(errors.groups)) > 1:
        rows = [
            (one.group, one.role, str(one.n_frames), *(_mean(one.rmses, name) for name in QUANTITIES))
            for one in errors.by_group
        ]
        heads = (f"{name.capitalize()} ({quantity.unit})" for name, quantity in QUANTITIES.items())
        caption = "RMSE of the ensemble's mean, by what frames say of their group."
        head = ("Group", "Role", "Frames", *heads)
        blocks.append(Table(head, tuple(rows), words=(0, 1), caption=caption))
    if outliers is not None and (len(outliers.frame_ratios) or len(outliers.atom_ratios)):
        blocks.append(Text(outliers.sentence))
        worst = sorted([*outliers.frames, *outliers.atoms], key=lambda one: -one.ratio)
        blocks += [Text(sentence(one.text)) for one in worst[:MOST_OUTLIERS] if one.ratio > MANY]
    if "outliers" in facts.trouble:
        blocks.append(missing(facts.trouble["outliers"]))
    left = facts.folder.settings.left_out
    blocks += [Text(sentence(f"Left out: {one.file}, frame {one.frame}: {one.why}")) for one in left]
    return (Section("Errors by group, outliers", tuple(blocks)),) if blocks else ()


def _mean(rmses: Mapping[str, Rmse], name: str) -> str:
    return significant(rmses[name]["mean"]) if name in rmses else NOTHING


# versions ---------------------------------------------------------------------------------------------
def versions_section() -> Section:
    """Return what made this report; packages are asked for their version without being loaded."""
    rows = [("eatlas", VERSION), ("python", platform.python_version())]
    rows += [(name, _version(name)) for name in PACKAGES]
    rows.append(("system", f"{platform.system()} {platform.machine()}"))
    return Section("Versions", (Table(("Program", "Version"), tuple(rows), words=(0, 1)),))


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def methods_section(facts: RunFacts) -> Section:
    """Return the paragraph of an article on how the potential was made, with its sources."""
    from nnpcore.report.methods import methods

    paragraph, _, sources = methods(facts.folder, facts.potential, facts.history).text.partition("\n\n")
    return Section("Methods", (Text(paragraph), Code(sources)))


def citation_section() -> Section:
    """Return the paper."""
    text = "The analysis is that of the following paper; cite it where you use these results."
    return Section("How to cite", (Text(text), Text(CITATION + ".")))


def rmse_numbers(history: Sequence[EpochRecord]) -> list[tuple[str, str]]:
    """Return the RMSEs of the best epoch with their names, for the top of the page."""
    record = best_record(history)
    rmses = (record.valid or record.train) if record else {}
    names = {"energy": "RMSE energy", "force": "RMSE force", "stress": "RMSE stress"}
    digits = {"energy": 1, "force": 3, "stress": 2}
    return [
        (names[q], number(rmses[q]["mean"], digits[q], unit=QUANTITIES[q].unit)) for q in names if q in rmses
    ]
