"""What the application remembers between starts: preferences, recent files, window layout. One JSON file.

``EATLAS_HOME`` names another folder for it and for the session files (tests, benchmarks).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, get_args

from nnpcore.errors import EatlasError, RunFolderError
from nnpcore.files import FileFormat
from nnpcore.threads import default_threads

SCHEMA = 1
FORMAT = FileFormat("", SCHEMA, "the settings", RunFolderError, "Start with --reset", version_key="schema")
MIGRATIONS: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {}
"""``MIGRATIONS[n]`` turns the content of schema n into that of schema n + 1."""

MAX_RECENT = 12
BOUNDS = {
    "n_threads": (0, 1024), "memory_gb": (0.0, 10_000.0), "autosave_seconds": (0, 3600),
    "text_percent": (80, 150), "further_digits": (0, 4),
}  # fmt: skip
"""What numbers of the settings may be."""
Theme = Literal["system", "light", "dark"]


def home() -> Path:
    """Return the folder for settings and session files."""
    chosen = os.environ.get("EATLAS_HOME")
    if chosen:
        return Path(chosen)
    import platformdirs

    return Path(platformdirs.user_config_dir("eatlas", appauthor=False))


def default_folder() -> Path:
    """Return where runs go unless the user chooses otherwise."""
    return _own_folder() / "runs" if os.environ.get("EATLAS_HOME") else _own_folder()


def data_folder() -> Path:
    """Return where data sets made here go."""
    return _own_folder() / "data"


def examples_folder() -> Path:
    """Return where the paper's studies are kept."""
    return _own_folder() / "examples"


def _own_folder() -> Path:
    chosen = os.environ.get("EATLAS_HOME")
    return Path(chosen) if chosen else Path.home() / "Eatlas"


@dataclass
class Settings:
    """Everything remembered. Unknown or wrong entries of the file fall back to these defaults.

    Attributes
    ----------
    theme : "system", "light" or "dark".
    n_threads : threads for training and analyses; 0 = all but one, which is left to the window.
    memory_gb : what the optimizer of a training may take; 0 = the training settings decide.
    folder : where runs are kept; "" = :func:`default_folder`.
    scheduler : where cures and learning curves come from, as ``nnpcore.cluster.Scheduler`` reads it; "" here.
    restore_session : open at the start what was open at the end.
    first_workspace : the one shown at the start; "" = the one last looked at.
    autosave_seconds : how long after a change what is open is kept, for after a crash; 0 = never.
    text_percent : size of all texts. further_digits : how many digits more than usual numbers have.
    sequential_map, diverging_map : colour maps used where no other is chosen; "" = the program's own.
    recent_files, recent_runs : newest first.
    geometry : base64 of Qt's ``saveGeometry``.
    workspace : the one last looked at. workspaces : how the user has arranged them, by name: ``state`` is
        base64 of Qt's ``saveState``, ``wanted`` names the panels that are not closed, ``swapped`` tells that
        structure and map have changed places.
    train_settings : the training settings last used, where they differ from the defaults.
    dialogs : what was last entered into each dialog, by its name.
    key_names : under which names files keep their labels, as the user confirmed (``KeyMemory``).
    """

    theme: Theme = "system"
    n_threads: int = 0
    memory_gb: float = 0.0
    folder: str = ""
    scheduler: str = ""
    restore_session: bool = True
    first_workspace: str = ""
    autosave_seconds: int = 2
    text_percent: int = 100
    further_digits: int = 0
    sequential_map: str = ""
    diverging_map: str = ""
    recent_files: list[str] = field(default_factory=list)
    recent_runs: list[str] = field(default_factory=list)
    geometry: str = ""
    workspace: str = ""
    workspaces: dict[str, Any] = field(default_factory=dict)
    train_settings: dict[str, Any] = field(default_factory=dict)
    dialogs: dict[str, Any] = field(default_factory=dict)
    key_names: dict[str, Any] = field(default_factory=dict)

    @property
    def runs_folder(self) -> Path:
        """Where new runs are kept."""
        return Path(self.folder).expanduser() if self.folder else default_folder()

    @property
    def threads(self) -> int:
        """How many threads work may use; unless the user says so, one core is left to the window."""
        return self.n_threads or max(1, default_threads() - 1)

    def remember_file(self, path: str) -> None:
        """Put a file on top of the recent ones."""
        self.recent_files = ([path] + [p for p in self.recent_files if p != path])[:MAX_RECENT]

    def remember_run(self, path: str) -> None:
        """Put a run folder on top of the recent ones."""
        self.recent_runs = ([path] + [p for p in self.recent_runs if p != path])[:MAX_RECENT]

    def save(self) -> None:
        """Write the file; RunFolderError where that is impossible."""
        FORMAT.write(settings_path(), asdict(self))


def settings_path() -> Path:
    """Return the settings file."""
    return home() / "settings.json"


def load() -> Settings:
    """Read the settings; a damaged or newer file is set aside as ``settings.json.old``."""
    path = settings_path()
    if not path.is_file():
        return Settings()
    try:
        with FORMAT.reading(path) as content:
            return from_dict(migrated(content))
    except EatlasError:
        path.replace(path.with_name(path.name + ".old"))
        return Settings()


def migrated(content: dict[str, Any]) -> dict[str, Any]:
    """Bring the content of an older schema up to date."""
    schema = int(content["schema"])
    while schema < SCHEMA:
        content = MIGRATIONS[schema](content)
        schema += 1
    return content | {"schema": SCHEMA}


def from_dict(content: dict[str, Any]) -> Settings:
    """Take over what has the right type and leave the rest at its default."""
    defaults = Settings()
    known = {f.name: type(getattr(defaults, f.name)) for f in fields(Settings)}
    good = {name: content[name] for name, kind in known.items() if type(content.get(name)) is kind}
    result = Settings(**good)
    if result.theme not in get_args(Theme):
        result.theme = "system"
    for name, (low, high) in BOUNDS.items():
        if not low <= getattr(result, name) <= high:
            setattr(result, name, getattr(defaults, name))
    result.dialogs = {name: kept for name, kept in result.dialogs.items() if isinstance(kept, dict)}
    for name in ("recent_files", "recent_runs"):
        setattr(result, name, [p for p in getattr(result, name) if isinstance(p, str)])
    return result


def forget() -> None:
    """Delete the settings and the session files (``--reset``); runs are kept."""
    settings_path().unlink(missing_ok=True)
    for path in home().glob("session*.json"):
        path.unlink()
