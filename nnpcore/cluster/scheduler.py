"""Where work is to run, as a user writes it: an address, ``local:N``, or ``slurm:FILE``."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nnpcore.errors import SettingsError
from nnpcore.files import read_regular

HOW = "Write local:N for N processes here, slurm:FILE, or an address such as tcp://host:8786"
_ADDRESS = re.compile(r"(?:(?:tcp|tls|ws|wss|ucx)://)?(?:[\w.-]+|\[[0-9a-fA-F:]+\]):\d{1,5}")
_MOST_LOCAL, _LARGEST_PORT = 256, 65535

_TEXTS = ("queue", "account", "walltime", "memory", "python", "interface", "local_directory", "log_directory",
          "shared_temp_directory", "job_name")  # fmt: skip
_LISTS = ("job_extra_directives", "job_directives_skip", "job_script_prologue", "worker_extra_args")
_COUNTS = ("jobs", "cores", "tasks_per_job")
_NEEDED = ("jobs", "cores", "memory")


@dataclass(frozen=True)
class Scheduler:
    """Where work is to run.

    Attributes
    ----------
    kind : "address", "local" or "slurm".
    text : the address, or the path of the file.
    n : processes of "local".
    """

    kind: str
    text: str = ""
    n: int = 0

    @classmethod
    def from_text(cls, text: str) -> Scheduler:
        """Read what a user writes; SettingsError where it is none of the three."""
        kind, _, rest = text.strip().partition(":")
        if kind == "local" and rest.isdecimal() and 1 <= int(rest) <= _MOST_LOCAL:
            return cls("local", n=int(rest))
        if kind == "slurm" and rest.strip():
            return cls("slurm", rest.strip())
        port = text.strip().rpartition(":")[2]
        an_address = kind not in ("local", "slurm") and _ADDRESS.fullmatch(text.strip())
        if an_address and 0 < int(port) <= _LARGEST_PORT:
            return cls("address", text.strip())
        raise SettingsError(f"{text!r} is no place to work", where="scheduler", fix=HOW)


@dataclass(frozen=True)
class SlurmFile:
    """What a file for Slurm says.

    Attributes
    ----------
    jobs : how many are submitted. cores : processors of each. tasks_per_job : pieces of work at once in each.
    options : the others, named as ``dask_jobqueue.SLURMCluster`` has them.
    tls : whether everything is sent encrypted, by certificates that only this run knows.
    """

    jobs: int
    cores: int
    tasks_per_job: int
    options: Mapping[str, Any]
    tls: bool = True

    @property
    def n_threads(self) -> int:
        """Processor threads of a piece of work."""
        return max(1, self.cores // self.tasks_per_job)

    @classmethod
    def read(cls, path: str | Path) -> SlurmFile:
        """Read a TOML file; SettingsError says what in it cannot be used."""
        try:
            found = tomllib.loads(read_regular(Path(path)).decode("utf-8-sig"))
        except OSError as error:
            raise SettingsError(f"it cannot be read ({error.strerror})", where=str(path)) from None
        except ValueError as error:
            raise SettingsError(f"this is not a TOML file ({error})", where=str(path)) from None
        return cls.from_values(found, str(path))

    @classmethod
    def from_values(cls, values: Mapping[str, Any], where: str) -> SlurmFile:
        """Check values by name."""
        known = (*_COUNTS, *_TEXTS, *_LISTS, "tls")
        for name, value in values.items():
            if name not in known:
                raise SettingsError(
                    f"{name!r} is not known", where=where, fix=f"Known are {', '.join(known)}"
                )
            if not _fits(name, value):
                raise SettingsError(f"{name} cannot be {value!r}", where=where, fix=_wanted(name))
        missing = [name for name in _NEEDED if name not in values]
        if missing:
            raise SettingsError(f"{' and '.join(missing)} must be said", where=where)
        counts = {name: int(values.get(name, 1)) for name in _COUNTS}
        if counts["tasks_per_job"] > counts["cores"]:
            raise SettingsError("there are more tasks_per_job than cores", where=where)
        rest = {name: value for name, value in values.items() if name in (*_TEXTS, *_LISTS)}
        return cls(**counts, options=rest, tls=bool(values.get("tls", True)))


def _fits(name: str, value: Any) -> bool:
    if name in _COUNTS:
        return type(value) is int and 1 <= value <= 10_000
    if name == "tls":
        return isinstance(value, bool)
    if name in _LISTS:
        return isinstance(value, list) and all(isinstance(part, str) for part in value)
    return isinstance(value, str) and bool(value)


def _wanted(name: str) -> str:
    if name in _COUNTS:
        return "Give a whole number from 1"
    if name == "tls":
        return "Give true or false"
    return 'Give a list of texts, such as ["--exclusive"]' if name in _LISTS else "Give a text"
