"""What was tried and what went wrong."""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import dataclass, field


@dataclass
class Tally:
    """Tries by kind, how many of them were refused in words, and the faults."""

    tries: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    faults: list[tuple[str, str]] = field(default_factory=list)
    of: dict[str, int] = field(default_factory=dict)
    """How many tries of a kind there are in all, where they can be counted."""

    def add(self, kind: str, fault: str = "", *, refused: bool = False) -> None:
        """Count a try; ``fault`` says what went wrong in it."""
        self.tries[kind] += 1
        self.refused[kind] += refused
        if fault:
            self.faults.append((kind, fault))
            print(f"FAULT  {kind}: {fault}", file=sys.stderr, flush=True)

    def take(self, other: Tally) -> None:
        """Add what another one counted."""
        self.tries += other.tries
        self.refused += other.refused
        self.faults += other.faults

    def table(self) -> str:
        """Return a line for every kind."""
        faults = Counter(kind for kind, _ in self.faults)
        lines = [f"{'kind':44}{'tries':>8}{'refused':>9}{'faults':>8}"]
        for kind in sorted(self.tries):
            of = f"   of all {self.of[kind]}" if kind in self.of else ""
            lines.append(f"{kind:44}{self.tries[kind]:8}{self.refused[kind]:9}{faults[kind]:8}{of}")
        lines.append(f"{'all':44}{self.tries.total():8}{self.refused.total():9}{len(self.faults):8}")
        return "\n".join(lines)
