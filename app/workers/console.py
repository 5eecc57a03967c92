"""The console's Python: started in a process of its own, interrupted, ended; to start it takes a while."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from nnpcore.errors import EatlasError

MISSING = "The console needs qtconsole: pip install 'eatlas[console]'"
END_SECONDS = 5.0
CONNECTION = "connection.json"


class ConsoleError(EatlasError):
    """A console that cannot be started."""


@dataclass(eq=False)
class Kernel:
    """A running process; ``connection_file`` tells how to speak to it."""

    process: subprocess.Popen[bytes]
    connection_file: str

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self.process.poll() is None

    def interrupt(self) -> None:
        """Stop the cell that runs."""
        if self.alive:
            self.process.send_signal(signal.SIGINT)

    def end(self) -> None:
        """End the process at once, and wait until it is gone."""
        self.process.kill()
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(END_SECONDS)


def start_kernel(folder: Path) -> Kernel:
    """Start a process that reads from ``folder`` what the window shows, and load the console's widgets.

    Raises
    ------
    ConsoleError : qtconsole or ipykernel are not installed.
    """
    try:
        import ipykernel.kernelapp
        import qtconsole.client
        import qtconsole.rich_jupyter_widget
        from jupyter_client.connect import write_connection_file
    except ImportError as error:
        raise ConsoleError(MISSING) from error
    assert all((ipykernel.kernelapp, qtconsole.client, qtconsole.rich_jupyter_widget))
    file, _ = write_connection_file(str(folder / CONNECTION))
    command = [sys.executable, "-P", "-m", "nnpcore.console.kernel", file, str(folder)]
    process = subprocess.Popen(
        command,
        cwd=Path.home(),
        env=os.environ | {"JPY_PARENT_PID": str(os.getpid())},  # it ends with the window, whatever happens
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl+C in the window's terminal is not for it
    )
    return Kernel(process, file)
