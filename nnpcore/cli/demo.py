"""``eatlas demo``: the paper's first result on the bundled silicon data, headless or in the window."""

from __future__ import annotations

from pathlib import Path

from nnpcore.cli import options
from nnpcore.cli.gathered import Result
from nnpcore.cli.output import output_folder
from nnpcore.cli.result_tables import demo_table, epoch_text
from nnpcore.cli.terminal import Terminal
from nnpcore.cli.train import KEPT, STOPPED
from nnpcore.demo import CASES, Case, DemoSettings, run_demo
from nnpcore.errors import SettingsError
from nnpcore.training import ControlState, EpochRecord, TrainControl


def demo_command(
    terminal: Terminal,
    *,
    output: options.DemoOutput = None,
    headless: options.Headless = False,
    seed: options.Seed = None,
    threads: options.Threads = None,
    overwrite: options.Overwrite = False,
) -> Result:
    """Train the three ensembles and write figures and a report, or open the window on the same data."""
    if not headless:
        from nnpcore.cli.window import open_window

        return {"exit_status": open_window(["--example", "--train"])}
    if output is None:
        raise SettingsError("the demonstration needs a folder", where="-o", fix="Name one: -o DIR")
    folder = output_folder(output, overwrite)
    settings = DemoSettings(seed=seed or 0, n_threads=threads)
    report, stopped = _run(folder, settings, terminal)
    table = demo_table(report, {case.name: case.title for case in CASES})
    terminal.show(table, then=f"fig1.png, report.json and tables are in {folder}.")
    return report | {"exit_status": STOPPED if stopped else 0}


def _run(folder: Path, settings: DemoSettings, terminal: Terminal) -> tuple[Result, bool]:
    """Run with one bar over all epochs; return (the report, whether Ctrl+C stopped the trainings)."""
    control = TrainControl()
    total = len(CASES) * (settings.epochs or 1)
    with terminal.stop_on_interrupt(control.stop, KEPT), terminal.counter("Epoch", total) as update:

        def listener(case: Case, record: EpochRecord) -> None:
            done = CASES.index(case) * (settings.epochs or 1) + record.epoch
            update(done, f"{case.title}: {epoch_text(record)}")

        report = run_demo(folder, settings, listener=listener, control=control)
    return report, control.state is ControlState.STOPPING
