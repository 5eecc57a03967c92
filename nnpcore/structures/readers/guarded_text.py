"""The text of a file for parsers that are not ours: they may not read on and on behind its end.

Such parsers believe the counts in a file: asked for 10^20 atoms they read as many lines, which are empty
behind the end of the file, or wait there for a word that never comes. What is read behind the end is counted.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import IO

from nnpcore.structures.problems import FrameSyntaxError
from nnpcore.structures.readers.reader import MAX_LINE

MOST_BEHIND_END = 1000
"""Reads behind the end of a file; an honest parser makes some at most."""
_CHECK_EVERY = 5000


class GuardedText(io.TextIOWrapper):
    """Text lines of a binary stream, with a name.

    Parameters
    ----------
    check : called now and then; raises where the user has cancelled.
    longest : characters of a line that an honest file may have.

    Raises
    ------
    FrameSyntaxError
        From its reading methods: a parser reads on behind the end, or a line is longer than any honest one.
    """

    def __init__(
        self,
        stream: IO[bytes],
        name: str,
        check: Callable[[], None] = lambda: None,
        longest: int = MAX_LINE,
    ) -> None:
        super().__init__(stream, encoding="utf-8", errors="replace")
        self._name, self._check = name, check
        self._longest = longest
        self._lines = self._behind = 0

    @property
    def name(self) -> str:
        """The name of the file, which some parsers ask for."""
        return self._name

    def readline(self, size: int | None = -1, /) -> str:
        """Return the next line, as a file does; empty at the end."""
        if size is not None and size >= 0:
            return self._counted(super().readline(size))
        line = self._counted(super().readline(self._longest))
        if len(line) == self._longest:
            raise FrameSyntaxError(f"line {self._lines} is longer than {self._longest} characters")
        return line

    def __next__(self) -> str:
        line = self.readline()
        if not line:
            raise StopIteration
        return line

    def read(self, size: int | None = -1, /) -> str:
        """Return the next characters, or all."""
        return self._counted(super().read(size))

    def _counted(self, text: str) -> str:
        if text:
            self._lines += 1
            if self._lines % _CHECK_EVERY == 0:
                self._check()
        else:
            self._behind += 1
            if self._behind > MOST_BEHIND_END:
                raise FrameSyntaxError(f"the file ends after {self._lines} lines, and more is expected")
        return text
