"""Every command of the main window, as data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

from app.dialogs.every import Dialogs
from app.dialogs.examples import open_example, open_silicon
from app.documents.coloring import LABELS
from app.documents.run import RunState
from app.look import theme
from app.shell.commands import Command
from app.shell.dock import Dock
from app.shell.files import Files
from app.shell.guide import Guide
from app.shell.restoring import SessionKeeper
from app.shell.spaces import Spaces
from app.shell.workspaces import WORKSPACES
from app.viewer3d.mouse import KEYS
from app.workers.example_sessions import EXAMPLES
from nnpcore.structures import Role

if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.dialogs.selecting import SelectionTools
    from app.panels.structure_panel import StructurePanel
    from app.session.session import Session

VIEWER_TOOLS = (
    ("bonds", "Bonds", "Draw bonds, or not"),
    ("cell", "Cell", "Draw the cell, or not"),
    ("repeat", "Repeat the Cell…", "Supercell, size of the atoms"),
    ("slice", "Slice…", "Hide what lies beyond a plane"),
    ("lasso", "Lasso", "Select atoms by a loop"),
)
MENUS = ("File", "Edit", "View", "Training", "Help")


class Window(Protocol):
    """What commands ask of the window itself."""

    def close(self) -> bool:
        """Close it."""
        ...

    def reset_layout(self) -> None:
        """Put all panels back."""

    @property
    def guide(self) -> Guide:
        """The guide through examples."""
        ...

    @property
    def spaces(self) -> Spaces:
        """The workspaces."""
        ...

    def toggle_full_screen(self) -> None:
        """Go to full screen and back."""

    def set_theme(self, mode: theme.Mode) -> None:
        """Use light, dark or the system's appearance."""

    def ask_more_epochs(self) -> None:
        """Ask how many epochs more and go on with the current run."""

    def open_palette(self) -> None:
        """Open the command palette."""

    def show_preferences(self) -> None:
        """Open the preferences."""

    def show_documentation(self) -> None:
        """Show the documentation."""

    def explain(self, name: str = "") -> None:
        """Say what a panel says."""

    @property
    def docks(self) -> Mapping[str, Dock]:
        """The docks by the names of their panels."""
        ...

    def show_shortcuts(self) -> None:
        """List the keyboard shortcuts."""

    def show_about(self) -> None:
        """Show versions and the graphics driver."""


def window_commands(
    session: Session, files: Files, dialogs: Dialogs, keeper: SessionKeeper, window: Window
) -> list[Command]:
    """Return the commands of a window."""
    return [
        *_file(session, files, dialogs, keeper, window),
        *_exchange(session, files, dialogs),
        Command("file.quit", "Quit", window.close, "Ctrl+Q", "", "File", 9),
        *_edit(session, window),
        *_training(session, dialogs, window),
        *_spaces(window),
        *_view(session, window),
        *_viewer(window),
        *_coloring(session),
        *_help(window),
    ]


def _file(
    session: Session, files: Files, dialogs: Dialogs, keeper: SessionKeeper, window: Window
) -> list[Command]:
    def restore() -> None:
        window.guide.end()
        keeper.restore_last()

    return [
        Command("file.open", "Open…", files.ask_open, "Ctrl+O", "open", "File", 0, "Open trajectories"),
        Command(
            "file.slice", "Open Every n-th Frame…", files.ask_open_slice, "Ctrl+Shift+O", "", "File", 0,
            "Open a slice of a trajectory, such as every tenth frame",
        ),
        Command(
            "file.scan", "Open Volume Scan…", files.ask_open_scan, "", "", "File", 0,
            "A crystal along its volume, as reference for the equation of state",
        ),
        Command("file.run", "Open Run…", files.ask_open_run, "", "folder", "File", 0, "A training's folder"),
        Command(
            "file.new_set", "New Training Set…", lambda: dialogs.open("training_set"), "Ctrl+N", "add",
            "File", 0, "Draw frames from molecular dynamics with a reference potential or any calculator",
        ),
        Command(
            "file.new_points", "New Invariant Points…", lambda: dialogs.open("invariant_points"), "",
            "", "File", 0, "Perfect crystals along their volume, as reference for the equation of state",
        ),
        *_examples(session, dialogs, window),
        Command(
            "file.restore", "Reopen Last Session", restore, "", "", "File", 1,
            "Open what was open when the window was last closed", enabled=keeper.can_restore,
        ),
    ]  # fmt: skip


def _examples(session: Session, dialogs: Dialogs, window: Window) -> list[Command]:
    def run(name: str) -> None:
        open_example(session, dialogs, name, window.guide.begin)

    def silicon() -> None:
        window.guide.end()
        open_silicon(session)

    return [
        Command(
            "file.example", "Silicon (DFT)", silicon, "Ctrl+E", "example", "Examples", 0,
            "Open the bundled silicon data: 1000 K at fixed volume, at zero pressure, and the volume scan",
        ),
        *(
            Command(
                f"file.example.{example.name}", f"{example.title}…",
                lambda name=example.name: run(name), "", "", "Examples", 1,
                example.about,
            )
            for example in EXAMPLES
        ),
    ]  # fmt: skip


def _exchange(session: Session, files: Files, dialogs: Dialogs) -> list[Command]:
    def has_potential() -> bool:
        return session.runs.current is not None and session.runs.current.potential is not None

    def has_report() -> bool:
        run = session.runs.current
        return run is not None and run.potential is not None and run.folder is not None

    return [
        Command(
            "file.import", "Import Potential…", lambda: dialogs.open("import_potential"), "", "",
            "File", 2, "Open a potential of n2p2, RuNNer, SIMPLE-NN or aenet",
        ),
        Command(
            "file.external", "External Calculator…", lambda: dialogs.open("external_calculator"), "",
            "", "File", 2, "Look at the map of any ASE calculator: MACE, NequIP, CHGNet, EAM",
        ),
        Command(
            "file.potential", "Export Potential…", lambda: dialogs.open("export_potential"),
            "Ctrl+Shift+E", "", "File", 2,
            "For Eatlas, n2p2, SIMPLE-NN or torch, or structures with predictions", enabled=has_potential,
        ),
        Command(
            "file.report", "Export Report…", files.ask_export_report, "", "", "File", 2,
            "One page on the run: settings, curves, mapping, verdict; HTML or PDF", enabled=has_report,
        ),
    ]  # fmt: skip


def figure_commands(session: Session, docks: Mapping[str, Dock]) -> list[Command]:
    """Return a command for each panel that has a figure or numbers to export."""
    return [
        Command(
            f"figure.{name}", f"Export {dock.entry.title}…", lambda dock=dock: dock.panel.ask_export(),
            menu="Export",
            enabled=lambda dock=dock: not session.empty and dock.panel_class.has_content(session),
            tip="Figure and numbers for a paper: size, letters, legend; PNG, SVG, PDF, CSV, clipboard",
        )
        for name, dock in docks.items()
        if dock.entry.exports
    ] + [
        Command("figure.movie", "Movie…", lambda: _movie(docks), menu="Export",
                enabled=lambda: session.data.frame is not None,
                tip="Of the trajectory or of a turn around the structure, as MP4 or GIF"),
    ]  # fmt: skip


def _movie(docks: Mapping[str, Dock]) -> None:
    _structure(docks).ask_movie()


def _selecting(window: Window) -> SelectionTools:
    return _structure(window.docks).selecting


def _structure(docks: Mapping[str, Dock]) -> StructurePanel:
    from app.panels.structure_panel import StructurePanel

    panel = docks["structure"].panel
    assert isinstance(panel, StructurePanel)
    return panel


def _edit(session: Session, window: Window) -> list[Command]:
    stack, selection = session.undo_stack, session.selection
    return [
        Command("edit.undo", "Undo", stack.undo, "Ctrl+Z", "undo", "Edit", 0, enabled=stack.canUndo,
                now=stack.undoText),
        Command("edit.redo", "Redo", stack.redo, "Ctrl+Shift+Z", "redo", "Edit", 0, enabled=stack.canRedo,
                now=stack.redoText),
        Command("edit.select_all", "Select All Atoms", selection.select_frame, "Ctrl+A", "", "Edit", 1),
        Command(
            "edit.select_none", "Select Nothing", lambda: selection.select([]), "Ctrl+Shift+A", "", "Edit", 1,
            enabled=lambda: len(selection.current) > 0,
        ),
        Command("edit.invert", "Invert Selection", selection.invert, "Ctrl+I", "", "Edit", 1,
                enabled=lambda: session.data.frame is not None),
        Command(
            "edit.expression", "Select by Expression…", lambda: _selecting(window).ask(), "", "", "Edit", 1,
            "Select atoms by element, energy, force, neighbors …",
            enabled=lambda: session.data.frame is not None,
        ),
        Command("edit.grow", "Grow Selection by Neighbors", selection.grow, "", "", "Edit", 1,
                enabled=lambda: len(selection.current) > 0),
        Command("edit.selected_next", "Next Frame with Selected Atoms", lambda: selection.step(1),
                "Ctrl+Shift+Right", "", "Edit", 1, enabled=lambda: len(selection.current) > 0),
        Command("edit.selected_before", "Frame before with Selected Atoms", lambda: selection.step(-1),
                "Ctrl+Shift+Left", "", "Edit", 1, enabled=lambda: len(selection.current) > 0),
        Command("edit.selected_region", "Save Selection as Region", session.regions.from_selection, "", "",
                "Edit", 1, enabled=lambda: len(selection.current) > 0),
        Command("edit.selected_table", "Write Selection as Table…",
                lambda: _selecting(window).ask_export(), "", "", "Edit", 1,
                enabled=lambda: len(selection.current) > 0),
        Command("edit.preferences", "Preferences…", window.show_preferences, "Ctrl+,", "settings", "Edit", 9),
    ]  # fmt: skip


def _training(session: Session, dialogs: Dialogs, window: Window) -> list[Command]:
    def state() -> RunState | None:
        return session.runs.current.state if session.runs.current else None

    def steered() -> RunState | None:
        """The state of what trains, whichever run is looked at."""
        run_id = session.trainings.steered()
        return None if run_id is None else session.runs.documents[run_id].state

    def can_go_on() -> bool:
        return (steered() or state()) in (RunState.PAUSED, RunState.STOPPED, RunState.FAILED)

    def is_active() -> bool:
        return steered() in (RunState.WAITING, RunState.PREPARING, RunState.RUNNING, RunState.PAUSED)

    return [
        Command(
            "training.start", "Train", session.trainings.start, "Ctrl+T", "train", "Training", 0,
            "Train an ensemble on the open data",
            enabled=lambda: bool(session.data.datasets) and not session.trainings.active,
        ),
        Command(
            "training.pause", "Pause", session.trainings.pause, "", "pause", "Training", 0,
            enabled=lambda: steered() == RunState.RUNNING,
        ),
        Command(
            "training.resume", "Resume", session.trainings.resume, "", "resume", "Training", 0,
            "Go on with a paused or stopped training", enabled=can_go_on,
        ),
        Command(
            "training.stop", "Stop", session.trainings.stop, "Ctrl+.", "stop", "Training", 0,
            "End the training; it can be resumed later", enabled=is_active,
        ),
        Command(
            "training.more", "Train Longer…", window.ask_more_epochs, "", "", "Training", 1,
            "Go on with a finished training for more epochs",
            enabled=lambda: state() in (RunState.FINISHED, RunState.STOPPED),
        ),
        *_several_trainings(session, dialogs),
    ]  # fmt: skip


def _several_trainings(session: Session, dialogs: Dialogs) -> list[Command]:
    return [
        Command(
            "training.sweep", "Sweep…", lambda: dialogs.open("sweep"), "", "", "Training", 1,
            "Train with several values of a setting: which one has the lowest RMSE, which one maps best",
            enabled=lambda: bool(session.data.datasets),
        ),
        Command(
            "training.learning", "Learning Curve", session.learning.open, "", "", "Training", 1,
            "Train on ever more of the data: whether more of the same would bring anything",
            enabled=lambda: bool(session.data.of_role(Role.TRAINING)),
        ),
        Command(
            "training.compare", "Compare Runs…", dialogs.compare_runs, "", "table", "Training", 1,
            "All runs in a table: settings that differ, data, errors, verdicts; notes and stars",
            enabled=lambda: bool(session.runs.documents),
        ),
    ]  # fmt: skip


def _spaces(window: Window) -> list[Command]:
    """The workspaces by their numbers, and the key that exchanges two panels."""
    return [
        *(
            Command(
                f"space.{space.name}", space.title, lambda name=space.name: window.spaces.choose(name),
                f"Ctrl+{number}", "", "Workspace", 0, space.tip,
                checked=lambda name=space.name: window.spaces.name == name and not window.spaces.welcoming,
            )
            for number, space in enumerate(WORKSPACES, 1)
        ),
        Command(
            "space.swap", "Swap Structure and Map", lambda: window.spaces.swap(), "F7", "", "Workspace", 1,
            "Exchange the places of the structure and what is looked at beside it",
            enabled=lambda: window.spaces.can_swap,
        ),
        Command(
            "view.reset", "Reset This Workspace", window.reset_layout, "", "", "Workspace", 2,
            "Put its panels back where they stand by default",
        ),
    ]  # fmt: skip


def _view(session: Session, window: Window) -> list[Command]:
    def step(frames: int) -> None:
        if session.data.current_id is not None:
            session.data.show(session.data.current_id, session.data.frame_index + frames)

    def themed(mode: theme.Mode) -> Command:
        return Command(
            f"view.theme.{mode}", {"system": "Follow the System"}.get(mode, mode.title()),
            lambda: window.set_theme(mode), "", "", "Appearance", 0, f"Appearance: {mode}",
            checked=lambda: theme.mode() == mode,
        )  # fmt: skip

    return [
        Command("view.next", "Next Frame", lambda: step(1), "Ctrl+Right", "next", "View", 0),
        Command("view.previous", "Previous Frame", lambda: step(-1), "Ctrl+Left", "previous", "View", 0),
        *(themed(mode) for mode in ("system", "light", "dark")),
        Command(
            "view.console",
            "Console",
            lambda: window.spaces.show_panel("console"),
            "F12",
            "",
            "View",
            7,
            "Python with the frame, the run and its potential, in a process of its own",
        ),
        Command("view.full", "Full Screen", window.toggle_full_screen, "F11", "", "View", 8),
    ]


def _viewer(window: Window) -> list[Command]:
    """What the structure's buttons and keys do, for the palette."""

    def panel() -> StructurePanel:
        window.spaces.show_panel("structure")
        return _structure(window.docks)

    def press(name: str) -> None:
        getattr(panel().tools, name).click()

    def has_frame() -> bool:
        return window.docks["structure"].built and not window.spaces.welcoming

    buttons = [
        Command(f"viewer.{name}", f"Structure: {title}", lambda name=name: press(name), "", name, "", 0, tip,
                enabled=has_frame)
        for name, title, tip in VIEWER_TOOLS
    ]  # fmt: skip
    keys = [
        Command(f"viewer.key.{known.keys[0].lower()}", f"Structure: {known.text}",
                lambda known=known: known.run(panel().view, False), "", "", "", 0,
                f"Key {known.keys[0]} in the structure", enabled=has_frame)
        for known in KEYS
    ]  # fmt: skip
    return [*buttons, *keys]


def _coloring(session: Session) -> list[Command]:
    coloring = session.coloring
    return [
        Command(
            f"color.{kind}", label, lambda kind=kind: coloring.set(kind=kind), "", "", "Colour By", 0,
            f"Colour atoms by {label.lower()}", checked=lambda kind=kind: coloring.current.kind == kind,
        )
        for kind, label in LABELS.items()
    ]  # fmt: skip


def _help(window: Window) -> list[Command]:
    return [
        Command("help.palette", "Find a Command…", window.open_palette, "Ctrl+K", "search", "Help", 0),
        Command(
            "help.documentation", "Documentation", window.show_documentation, "", "", "Help", 0,
            "The guide, what every panel says, files and formats, the paper's claims beside our numbers",
        ),
        Command(
            "help.explain", "What Does This Say?", window.explain, "Shift+F1", "help", "Help", 0,
            "Three sentences and the formula on the panel under the mouse or with the keyboard",
            enabled=lambda: not window.spaces.welcoming,
        ),
        Command(
            "help.shortcuts", "Keys and Mouse", window.show_shortcuts, "F1", "", "Help", 0,
            "Every keyboard shortcut and mouse gesture",
        ),
        Command(
            "help.info", "About Eatlas", window.show_about, "", "info", "Help", 9,
            "Versions and graphics driver",
        ),
    ]  # fmt: skip
