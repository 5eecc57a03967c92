"""The console's Python: started in a process of its own, interrupted, ended; all of it may take a while."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nnpcore.errors import EatlasError

MISSING = "The console needs qtconsole: pip install 'eatlas[console]'"


class ConsoleError(EatlasError):
    """A console that cannot be started."""


@dataclass(eq=False)
class Kernel:
    """A running process; ``connection_file`` tells how to speak to it."""

    manager: Any

    @property
    def connection_file(self) -> str:
        """Where its ports and its key stand."""
        return str(self.manager.connection_file)

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return bool(self.manager.is_alive())

    def interrupt(self) -> None:
        """Stop the cell that runs."""
        self.manager.interrupt_kernel()

    def end(self) -> None:
        """End the process at once."""
        self.manager.shutdown_kernel(now=True)
        self.manager.cleanup_resources()


def start_kernel(folder: Path) -> Kernel:
    """Start a process that reads from ``folder`` what the window shows, and load the console's widgets.

    Raises
    ------
    ConsoleError : qtconsole or ipykernel are not installed.
    """
    try:
        import ipykernel.kernelspec
        import qtconsole.client
        import qtconsole.rich_jupyter_widget
        from jupyter_client.kernelspec import KernelSpec
        from jupyter_client.manager import KernelManager
    except ImportError as error:
        raise ConsoleError(MISSING) from error
    loaded = (ipykernel.kernelspec, qtconsole.client, qtconsole.rich_jupyter_widget)
    assert all(loaded)
    manager = KernelManager()
    command = [sys.executable, "-P", "-m", "nnpcore.console", "{connection_file}", str(folder)]
    manager._kernel_spec = KernelSpec(argv=command, display_name="Eatlas", language="python")
    manager.start_kernel(cwd=str(Path.home()))
    return Kernel(manager)
