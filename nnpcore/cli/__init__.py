"""The command line: a light entry that decides between the window and a command and loads only that."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence

from nnpcore.cli.table import COMMANDS

NOT_FOR_USERS = ("py.warnings", "matplotlib", "PIL", "fontTools")


def keep_terminal_quiet() -> None:
    """Keep from the terminal what libraries warn their programmers of; other handlers still hear it."""
    logging.captureWarnings(True)
    for name in NOT_FOR_USERS:
        logger = logging.getLogger(name)
        if not logger.handlers:
            logger.addHandler(logging.NullHandler())


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``eatlas`` with these arguments (those of the process by default) and return the exit status.

    A command's name first runs that command; anything else (nothing, files, window options) opens the window.
    """
    keep_terminal_quiet()
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments == ["--version"]:
        from nnpcore import __version__

        print(f"eatlas {__version__}")
        return 0
    if arguments and (arguments[0] in COMMANDS or arguments[0] in ("--help", "-h")):
        from nnpcore.cli.commands import run

        return run(arguments)
    from nnpcore.cli.window import open_window

    return open_window(arguments)
