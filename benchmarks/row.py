"""What one line of the benchmark table says."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Row:
    """One measured figure.

    Attributes
    ----------
    name : what was measured.
    value : the figure, in ``unit``.
    unit : "s", "ms", "MB", "meV/atom" ...; rows in "s" and "ms" get a ratio to the matrix product.
    aim : the largest value that counts as good, or None.
    before : the same figure before it was worked on, in ``unit``, or None: ratios, memory and CPU times.
    reference : what n2p2 and SIMPLE-NN take for the same, as text; may be empty.
    note : anything a reader needs; may be empty.
    threads : threads the figure was measured with.
    """

    name: str
    value: float
    unit: str
    aim: float | None = None
    reference: str = ""
    note: str = ""
    threads: int = 1
    before: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the row as plain values."""
        return asdict(self)
