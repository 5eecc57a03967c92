"""Parsers that may never come to an end, in a process of their own with a limit to its time and memory.

Some of ASE's readers use patterns that take centuries for one odd line, or loops that wait for a word.
Nothing inside this process could stop them. What the other process reads it writes as ASE's trajectory, whose
arrays are read without running anything, and says so in a line of JSON for each structure.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from nnpcore.structures.problems import FrameSyntaxError

SECONDS, BYTES_A_SECOND = 10.0, 50_000
"""Processor time for one structure: some seconds, and more for a large file."""
_MEMORY, _TIMES_ITS_SIZE = 2 << 30, 50
_POLL_SECONDS = 0.1


def read_apart(kind: str, path: Path, check: Callable[[], None] = lambda: None) -> Iterator[Any]:
    """Yield ASE's atoms of a file of one of ASE's formats.

    Parameters
    ----------
    check : called now and then; raises where the user has cancelled.

    Raises
    ------
    FrameSyntaxError : what the parser stumbled over, or that it was ended.
    """
    from ase.io.trajectory import Trajectory

    seconds = SECONDS + path.stat().st_size / BYTES_A_SECOND
    with tempfile.TemporaryDirectory() as folder:
        found = Path(folder) / "found.traj"
        with closing(_answers(_start(kind, path, found, seconds), seconds, check)) as answers:
            for number, answer in enumerate(answers):
                if "error" in answer:
                    raise FrameSyntaxError(answer["error"])
                trajectory: Any
                with Trajectory(str(found)) as trajectory:
                    yield trajectory[number]


def _start(kind: str, path: Path, found: Path, seconds: float) -> subprocess.Popen[bytes]:
    environment = dict(os.environ) | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    environment["PYTHONPATH"] = os.pathsep.join(part for part in sys.path if part)
    return subprocess.Popen(
        [sys.executable, "-P", "-m", __name__, kind, str(path), str(found), str(seconds)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment,
        start_new_session=True,  # Ctrl+C is for us
    )


def _answers(
    process: subprocess.Popen[bytes], seconds: float, check: Callable[[], None]
) -> Generator[dict[str, Any]]:
    """Yield what a process says, line by line; its last is an error where it did not come to its end."""
    assert process.stdout is not None
    said: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    # a thread, since Windows cannot wait for a pipe with a limit of time
    listening = threading.Thread(target=_listen, args=(process.stdout.fileno(), said), name="reading apart")
    listening.start()
    rest, ended = b"", False
    try:
        while True:
            check()
            try:
                part = said.get(timeout=_POLL_SECONDS)
            except queue.Empty:
                continue
            if not part:
                break
            *lines, rest = (rest + part).split(b"\n")
            for answer in map(json.loads, lines):
                ended = ended or "end" in answer
                if not ended:
                    yield answer
        if not ended:
            yield {"error": _how_it_ended(process.wait(), seconds)}
    finally:
        with suppress(OSError):
            process.kill()
        process.wait()
        listening.join()
        process.stdout.close()


def _listen(handle: int, said: queue.SimpleQueue[bytes]) -> None:
    """Pass on what comes out of a pipe; nothing at its end."""
    part = b"-"
    while part:
        with suppress(InterruptedError):
            part = os.read(handle, 1 << 16)
            said.put(part)


def _how_it_ended(status: int, seconds: float) -> str:
    if status == -getattr(signal, "SIGPROF", 0) != 0:
        return f"its parser did not come to an end within {seconds:.3g} s of work"
    return f"its parser has crashed (status {status})"


def main(arguments: Sequence[str]) -> None:
    """Be the other process: format, file, the trajectory to write, seconds for a structure."""
    kind, path, found = arguments[0], Path(arguments[1]), Path(arguments[2])
    _limit(path.stat().st_size)
    try:
        _copy(kind, path, found, float(arguments[3]))
    except MemoryError:
        _say({"error": "its parser asks for more memory than such a file needs"})
    except FrameSyntaxError as error:
        _say({"error": str(error)})
    except Exception as error:
        text = " ".join(str(error).split())
        _say({"error": f"{type(error).__name__}: {text[:300]}" if text else type(error).__name__})
    _say({"end": True})


def _limit(size: int) -> None:
    """Hold memory and files of this process; Windows has no such limits, and macOS not that of the memory."""
    try:
        import resource
    except ImportError:
        return
    most = _MEMORY + _TIMES_ITS_SIZE * size
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))


def _copy(kind: str, path: Path, found: Path, seconds: float) -> None:
    import warnings

    from ase.io.formats import ioformats, iread
    from ase.io.trajectory import TrajectoryWriter

    from nnpcore.structures.readers.guarded_text import GuardedText

    warnings.simplefilter("ignore")
    source: Any = str(path)
    if ioformats[kind].acceptsfd and not ioformats[kind].isbinary:
        source = GuardedText(path.open("rb"), path.name)
    _watch(seconds)
    images = iread(source, index=slice(None), format=kind, parallel=False, do_not_split_by_at_sign=True)
    with TrajectoryWriter(str(found)) as trajectory:
        for atoms in images:
            trajectory.write(atoms)
            _say({"structure": len(atoms)})
            _watch(seconds)


def _watch(seconds: float) -> None:
    """End this process after so many seconds of work from now on, where the system can."""
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_PROF, seconds)


def _say(answer: dict[str, Any]) -> None:
    os.write(1, json.dumps(answer).encode() + b"\n")


if __name__ == "__main__":
    main(sys.argv[1:])
