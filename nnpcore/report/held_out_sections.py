"""The sections of a report on frames that were not trained on: spreads against errors, a learning curve."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nnpcore.analyses.calibration import CALIBRATION, WHOSE
from nnpcore.analyses.learning import FILE, read_any
from nnpcore.errors import RunFolderError
from nnpcore.figures.calibration import calibration_figure
from nnpcore.figures.learning_curve import learning_curve_figure
from nnpcore.mapping.calibration import WANTED
from nnpcore.report.content import Picture, Section, Table, Text, counted, missing, number, significant
from nnpcore.training.learning_curve import sentence

if TYPE_CHECKING:
    from nnpcore.mapping.calibration import CalibratedSpread
    from nnpcore.report.facts import RunFacts


def calibration_section(facts: RunFacts) -> Section:
    """Return spreads against errors: sentences, a figure, factors and coverage before and after."""
    title, found = "Calibration", facts.found(CALIBRATION)
    if found is None:
        return Section(title, (missing(f"Spreads were not compared: {facts.why_missing(CALIBRATION)}"),))
    data = (
        f"Compared on {counted(found.n_frames, 'frame')} that were not trained on ({', '.join(found.names)})."
    )
    caption = "Root mean square errors in bins by spread; dashed: the spread times its factor."
    head = (
        "Spread",
        "Factor",
        "From",
        "To",
        "Within 1, before",
        "After",
        "Within 2, before",
        "After",
        "Rank",
    )
    wanted = " and ".join(f"{100 * share:.0f} %" for share in WANTED)
    told = f"Shares of the errors within one and two spreads, of which {wanted} are wanted."
    return Section(
        title,
        (
            Text(f"{data} {found.text}"),
            Picture(calibration_figure(found), "Errors against spreads", caption),
            Table(head, tuple(map(_row, found.spreads)), caption=told),
        ),
    )


def _row(one: CalibratedSpread) -> tuple[str, ...]:
    shares = (
        f"{100 * share:.0f} %"
        for before, after in zip(one.before.coverage, one.after.coverage, strict=True)
        for share in (before, after)
    )
    name = f"{one.quantity}, {WHOSE[one.whose]}"
    return (name, *map(significant, (one.factor, *one.bounds)), *shares, number(one.rank, 2))


def learning_curve_sections(facts: RunFacts) -> list[Section]:
    """Return the learning curve that a run is a part of; nothing where it is of none."""
    folder = facts.folder.path.parent
    if not (folder / FILE).is_file():
        return []
    try:
        points, n_planned = read_any(folder)
    except RunFolderError as error:
        return [Section("Learning curve", (missing(str(error)),))]
    if facts.folder.id not in {point.run for point in points}:
        return []
    text = (
        "Errors on test frames that no training sees; dashed: what training data are foretold to leave open."
    )
    picture = Picture(learning_curve_figure(points), "Error against number of training frames", text)
    return [Section("Learning curve", (Text(sentence(points, n_planned)), picture))]
