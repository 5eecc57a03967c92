"""A run's report: one self-contained HTML page, or the same as a PDF."""

from __future__ import annotations

import errno
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from nnpcore.errors import SettingsError
from nnpcore.files import write_atomically, writing_failed
from nnpcore.progress import Progress
from nnpcore.report.content import Report, Section

if TYPE_CHECKING:
    from nnpcore.mapping import RegionSet
    from nnpcore.report.facts import RunFacts
    from nnpcore.report.property_section import StudiedProperties
    from nnpcore.structures.frame import Frame

SUFFIXES = (".html", ".pdf")


def write_report(
    run_folder: str | Path,
    target: str | Path,
    *,
    eos: Sequence[Frame] | None = None,
    regions: Sequence[RegionSet] = (),
    properties: StudiedProperties | None = None,
    n_threads: int | None = None,
    progress: Progress | None = None,
) -> Path:
    """Write what is known of a run: settings, data, training curves, mapping, verdict, versions.

    What is missing (no volume scan, no regions, data that are gone) is said in its place.

    Parameters
    ----------
    run_folder : of a training or an imported potential.
    target : the file, .html or .pdf; replaced where it exists.
    eos : a crystal along its volume; None takes the one the run monitored, if any.
    regions : structures with regions; without any those the run monitored.
    properties : what the potential says of a crystal, where it was studied.

    Raises
    ------
    SettingsError : another suffix, or a folder in the file's place.
    RunFolderError, PotentialError : no run, no potential yet, damaged files, or no way to write.
    """
    path = check_target(target)
    report = make_report(
        run_folder, eos=eos, regions=regions, properties=properties, n_threads=n_threads, progress=progress
    )
    return save_report(report, path, progress=progress)


def check_target(target: str | Path) -> Path:
    """Return the file to write; errors as for :func:`write_report`, before anything is computed."""
    path = Path(target)
    if path.is_dir():
        fix = "Give the name of a file, such as report.html"
        raise SettingsError("this is a folder", where=str(path), fix=fix)
    if path.suffix.lower() not in SUFFIXES:
        what = f"a report cannot be written as '{path.suffix}'" if path.suffix else "the file has no suffix"
        raise SettingsError(what, where=str(path), fix="Use .html or .pdf")
    above = next((folder for folder in path.absolute().parents if folder.exists()), None)
    if above is not None and not above.is_dir():
        raise writing_failed(NotADirectoryError(errno.ENOTDIR, ""), path)
    return path


def make_report(
    run_folder: str | Path,
    *,
    eos: Sequence[Frame] | None = None,
    regions: Sequence[RegionSet] = (),
    properties: StudiedProperties | None = None,
    n_threads: int | None = None,
    progress: Progress | None = None,
) -> Report:
    """Read, analyse and draw; arguments and errors as for :func:`write_report`."""
    from nnpcore.analyses import required
    from nnpcore.analyses.verdict import VERDICT
    from nnpcore.report.facts import analyse, read_run
    from nnpcore.report.mapping_sections import mapping_numbers
    from nnpcore.report.run_sections import about, rmse_numbers

    progress = progress or Progress()
    facts = read_run(Path(run_folder), eos, regions, progress)
    analyse(facts, n_threads, progress)
    progress.report(0.8, "Drawing")
    verdict = required(facts.evaluation.value(VERDICT))
    return Report(
        title=facts.name,
        about=about(facts, datetime.now()),
        verdict=verdict.text,
        level=verdict.level,
        numbers=(*rmse_numbers(facts.history), *mapping_numbers(facts)),
        sections=_sections(facts, properties),
    )


def _sections(facts: RunFacts, properties: StudiedProperties | None) -> tuple[Section, ...]:
    """Return the page from its top to its bottom."""
    from nnpcore.report import run_sections
    from nnpcore.report.held_out_sections import calibration_section, learning_curve_sections
    from nnpcore.report.mapping_sections import mapping_sections
    from nnpcore.report.property_section import property_section

    return (
        run_sections.settings_section(facts),
        run_sections.data_section(facts),
        run_sections.training_section(facts),
        *run_sections.groups_section(facts),
        *mapping_sections(facts),
        calibration_section(facts),
        *learning_curve_sections(facts),
        *([] if properties is None else [property_section(properties)]),
        *([] if facts.folder.imported else [run_sections.settings_text(facts)]),
        run_sections.versions_section(),
        run_sections.methods_section(facts),
        run_sections.citation_section(),
    )


def save_report(report: Report, target: str | Path, *, progress: Progress | None = None) -> Path:
    """Write a report as the file's suffix says, all or nothing; errors as for :func:`write_report`."""
    path = check_target(target)
    if progress is not None:
        progress.report(0.9, f"Writing {path.name}")
    if path.suffix.lower() == ".pdf":
        from nnpcore.report.pdf import report_pdf

        content = report_pdf(report)
    else:
        from nnpcore.report.html import report_html

        content = report_html(report).encode()
    write_atomically(path, content)
    if progress is not None:
        progress.report(1.0, f"{path.name} is written")
    return path
