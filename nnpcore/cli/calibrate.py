"""``eatlas calibrate``: spreads against true errors, and the factors that make spreads right."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nnpcore.cli import options
from nnpcore.cli.datasets import read
from nnpcore.cli.gathered import Result, gathers, keys
from nnpcore.cli.output import output_folder, refuse_to_replace
from nnpcore.cli.result_tables import calibration_rows
from nnpcore.cli.terminal import Terminal

if TYPE_CHECKING:
    from nnpcore.analyses.calibration import Calibration
    from nnpcore.structures import Frame, KeyNames


@gathers(keys=keys)
def calibrate_command(
    terminal: Terminal,
    *,
    run: options.RunFolder,
    data: options.CalibrationData = None,
    output: options.CalibrationOutput = None,
    store: options.Store = False,
    members_only: options.MembersOnly = False,
    threads: options.Threads = None,
    overwrite: options.Overwrite = False,
    skip_bad: options.SkipBad = False,
    keys: KeyNames | None = None,
) -> Result:
    """Compare spreads with errors; show factors, write them, keep them with the run where that is asked."""
    from nnpcore.analyses.calibrating import calibrate_run, keep_factors
    from nnpcore.analyses.calibration import FACTOR_NAMES
    from nnpcore.training import RunFolder
    from nnpcore.training.folder_lock import Writer

    if output is not None:
        refuse_to_replace(output, overwrite)
    frames: dict[str, Sequence[Frame]] | None = None
    if data:
        found_data = [read(path, skip_bad, terminal, keys) for path in data]
        frames = {dataset.name: dataset.frames for dataset in found_data}
    folder = RunFolder.open(run)
    kept: list[str] = []
    with folder.writing(Writer.CALIBRATION) if store else nullcontext():
        with terminal.progress("Calibrating") as progress:
            found, notes = calibrate_run(
                run, frames, foretold=not members_only, n_threads=threads, progress=progress
            )
        if store:
            kept = keep_factors(folder, found)
    for note in notes:
        terminal.warn(note)
    result = numbers_of(found)
    files = [] if output is None else _write(found, result, output_folder(output, overwrite))
    then = f"Picture, table and calibration.json are in {output}." if output is not None else ""
    terminal.show(calibration_rows(found), found.text, then=then)
    if store:
        told = ", ".join(f"{FACTOR_NAMES[name]} {value:.3g}" for name, value in found.told_factors.items())
        used = "eatlas predict --calibrated and Explore can use them"
        terminal.say(f"Kept in {run}: {told}; {used}." if told else "No factor is kept.")
        for note in kept:
            terminal.warn(note)
    stored = list(found.told_factors) if store else []
    return {"run": run, **result, "notes": [*notes, *kept], "stored": stored, "files": files}


def numbers_of(found: Calibration) -> dict[str, Any]:
    """Return a calibration as plain values; errors and spreads in eV/atom, eV/Å and eV/Å³."""
    return {
        "data": list(found.names),
        "n_frames": found.n_frames,
        "factors": vars(found.factors),
        "spreads": [
            {
                "quantity": one.quantity,
                "spread_of": one.whose,
                "factor": one.factor,
                "log_factor_std": one.log_std,
                "factor_bounds": one.bounds,
                "coverage_before": one.before.coverage,
                "coverage_after": one.after.coverage,
                "nll_before": one.before.nll,
                "nll_after": one.after.nll,
                "rank_correlation": one.rank,
                "n_values": one.n,
                "n_left_out": one.n_left_out,
                "n_blocks": one.n_blocks,
                "curve": {"spread": one.bin_spread, "rms_error": one.bin_error},
            }
            for one in found.spreads
        ],
        "text": found.text,
    }


def _write(found: Calibration, result: dict[str, Any], folder: Path) -> list[Path]:
    from nnpcore.figures.calibration import calibration_bins, calibration_figure, calibration_table
    from nnpcore.figures.drawing import save_figures
    from nnpcore.figures.tables import write_tables
    from nnpcore.files import json_value, write_atomically

    files = save_figures(folder, {"calibration": calibration_figure(found)})
    tables = {"calibration": calibration_table(found), "calibration-curve": calibration_bins(found)}
    files += write_tables(folder, tables)
    path = folder / "calibration.json"
    import json

    write_atomically(path, json.dumps(json_value(result), indent=1).encode())
    return [*files, path]
