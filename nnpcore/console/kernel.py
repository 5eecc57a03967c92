"""The Python of the window's console: a process of its own that knows what the window shows.

The window leaves a description of what is open in a folder (:func:`write_shown`); before each cell the
console reads it again. Nothing goes back: a console can neither change nor stop what the window does.
"""

from __future__ import annotations

import platform
import re
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nnpcore.errors import EatlasError, RunFolderError
from nnpcore.files import FileFormat

if TYPE_CHECKING:
    from ase import Atoms

    from nnpcore.potential import Potential
    from nnpcore.structures.frame import Frame
    from nnpcore.training import RunFolder

FORMAT = FileFormat("eatlas-console", 1, "a console's description", RunFolderError, "Restart the console")
SHOWN, FRAME = "shown.json", "frame.extxyz"

BANNER = """\
Python with copies of what the window shows:
  atoms      the frame, as ASE Atoms
  run        the folder of the run looked at
  potential  its ensemble
  session    files, frame, runs, selection
They follow the window. Frames and atoms
count from 0 here. Ctrl+C stops a cell.
"""


@dataclass(frozen=True)
class Shown:
    """What the window shows.

    Attributes
    ----------
    files : name, path, role and number of frames of each open file. file : the name of the one shown, or "".
    frame : its frame, from 0. runs : name and folder of each run. run : folder of the current one, or "".
    selection : (file, frame, atom) of the selected atoms, from 0. version : changes with the frame.
    """

    files: list[dict[str, Any]] = field(default_factory=list)
    file: str = ""
    frame: int = 0
    runs: list[dict[str, str]] = field(default_factory=list)
    run: str = ""
    selection: list[list[Any]] = field(default_factory=list)
    version: int = 0


def write_shown(folder: Path, shown: Shown, frame: Frame | None) -> None:
    """Leave what the window shows for its console; RunFolderError where it cannot be written."""
    from nnpcore.structures import write_frames

    folder.mkdir(parents=True, exist_ok=True)
    if frame is not None:
        write_frames(folder / FRAME, [frame])
    FORMAT.write(folder / SHOWN, asdict(shown))


def read_shown(folder: Path) -> Shown:
    """Read what :func:`write_shown` has left; nothing is shown where there is nothing yet."""
    path = folder / SHOWN
    if not path.is_file():
        return Shown()
    with FORMAT.reading(path) as content:
        return Shown(**{name: content[name] for name in Shown.__dataclass_fields__})


class Session:
    """What the window shows, to be read: the ``session`` of a console."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._shown = Shown()
        self._read: dict[str, tuple[object, Any]] = {}

    def refresh(self) -> None:
        """Look again; done before each cell."""
        self._shown = read_shown(self._folder)

    @property
    def files(self) -> list[dict[str, Any]]:
        """Name, path, role and number of frames of each open file."""
        return list(self._shown.files)

    @property
    def file(self) -> str:
        """The name of the file shown."""
        return self._shown.file

    @property
    def frame_index(self) -> int:
        """The frame shown, from 0."""
        return self._shown.frame

    @property
    def runs(self) -> list[dict[str, str]]:
        """Name and folder of each run."""
        return list(self._shown.runs)

    @property
    def selection(self) -> list[tuple[str, int, int]]:
        """(file, frame, atom) of the selected atoms, from 0."""
        return [(str(name), int(frame), int(atom)) for name, frame, atom in self._shown.selection]

    @property
    def atoms(self) -> Atoms | None:
        """A new copy of the frame shown, as ASE Atoms."""
        from nnpcore.structures import read_dataset

        if not self._shown.file:
            return None
        return read_dataset(str(self._folder / FRAME)).frames[0].to_atoms()

    @property
    def run(self) -> RunFolder | None:
        """The folder of the run looked at, opened."""
        from nnpcore.training import RunFolder

        return None if not self._shown.run else RunFolder.open(self._shown.run)

    @property
    def potential(self) -> Potential | None:
        """The ensemble of the run looked at, as its folder has it."""
        from nnpcore.potential import Potential

        run = self.run
        return None if run is None or not run.potential_path.exists() else Potential.load(run.potential_path)

    def potential_state(self) -> tuple[str, int]:
        """Return what changes when there is another potential: the run's folder, and when it was written."""
        run = self.run
        if run is None or not run.potential_path.exists():
            return self._shown.run, 0
        return self._shown.run, max(file.stat().st_mtime_ns for file in _files_of(run.potential_path))

    def read(self, name: str) -> list[Atoms]:
        """Read a whole open file by its name, as ASE Atoms; KeyError for another name."""
        from nnpcore.structures import read_dataset

        path = {file["name"]: file["path"] for file in self._shown.files}[name]
        return [frame.to_atoms() for frame in read_dataset(path).frames]

    def changed(self) -> dict[str, Any]:
        """Return those of atoms and run that stand for something else than when this was last asked."""
        states = {"atoms": self._shown.version, "run": self._shown.run}
        found = {}
        for name, state in states.items():
            if name not in self._read or self._read[name][0] != state:
                found[name] = getattr(self, name)
                self._read[name] = state, None
        return found

    def __repr__(self) -> str:
        files = ", ".join(f"{file['name']} ({file['role']})" for file in self.files) or "none"
        shown = f"{self.file}, frame {self.frame_index}" if self.file else "nothing"
        run = Path(self._shown.run).name if self._shown.run else "none"
        return f"files: {files}\nshown: {shown}\nrun: {run}\nselected atoms: {len(self._shown.selection)}"


def _files_of(path: Path) -> list[Path]:
    return [path, *path.iterdir()] if path.is_dir() else [path]


def show_short(shell: Any) -> None:
    """Let the objects of the window be shown in a few words, not with all their numbers; imports nothing."""
    text = shell.display_formatter.formatters["text/plain"]
    text.for_type_by_name(
        "nnpcore.training.run_folder", "RunFolder", lambda run, out, _: out.text(f"run in {run.path}")
    )
    text.for_type_by_name(
        "nnpcore.potential.potential", "Potential", lambda model, out, _: out.text(described(model))
    )


def described(potential: Potential) -> str:
    """Return an ensemble in a line."""
    elements = ", ".join(potential.elements)
    return f"Potential of {potential.n_members} members for {elements}: .predict(frames), .calculator()"


class Names:
    """Keeps the names of a console's cells in step with the window."""

    def __init__(self, folder: Path, names: dict[str, Any]) -> None:
        self.session = Session(folder)
        self._names = names
        self._potential_of: tuple[str, int] | None = None
        names["session"] = self.session

    def follow(self, cell: str) -> None:
        """Bring the names up to date before a cell; the potential, slow to load, where the cell names it."""
        try:
            self.session.refresh()
            self._names.update(self.session.changed())
            if re.search(r"\bpotential\b", cell):
                state = self.session.potential_state()
                if state != self._potential_of:
                    self._names["potential"] = self.session.potential
                    self._potential_of = state
        except EatlasError as error:
            print(error, file=sys.stderr)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the kernel: ``python -m nnpcore.console.kernel CONNECTION_FILE FOLDER``."""
    from ipykernel.kernelapp import IPKernelApp

    connection, folder = arguments or sys.argv[1:]
    app = IPKernelApp.instance()
    app.initialize(["-f", connection, "--IPKernelApp.ignore_cwd=True"])
    shell: Any = app.shell
    shell.banner1, shell.enable_tip = f"Python {platform.python_version()}\n", False
    show_short(shell)
    names = Names(Path(folder), shell.user_ns)
    names.follow("")
    shell.events.register("pre_run_cell", lambda info: names.follow(info.raw_cell or ""))
    app.start()


if __name__ == "__main__":
    main()
