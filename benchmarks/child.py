"""One benchmark in this process: ``child.py NAME THREADS TARGET`` writes ``bench_NAME.rows()`` as JSON.

The environment limits every library's threads to THREADS before anything is loaded.
"""

from __future__ import annotations

import importlib
import inspect
import json
import resource
import sys
from pathlib import Path
from typing import Any


def main() -> int:
    """Measure, add the peak memory where the benchmark gave none, write."""
    name, threads, target = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])
    set_torch_threads(threads)
    rows_of = importlib.import_module(f"bench_{name}").rows
    wanted = inspect.signature(rows_of).parameters
    rows = [as_dict(row, threads) for row in (rows_of(threads) if wanted else rows_of())]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    if not any("memory" in row["name"] for row in rows) and name not in ("matmul", "window"):
        rows.append(as_dict({"name": f"peak memory of {name}", "value": peak, "unit": "MB"}, threads))
    target.write_text(json.dumps({"rows": rows}))
    return 0


def set_torch_threads(threads: int) -> None:
    """Hold torch to the given threads."""
    import torch

    torch.set_num_threads(threads)


def as_dict(row: Any, threads: int) -> dict[str, Any]:
    """Return a row, given as :class:`row.Row` or as a dict with some of its fields, with all of them."""
    values = dict(row) if isinstance(row, dict) else row.to_dict()
    return {"aim": None, "before": None, "reference": "", "note": "", "threads": threads} | values


if __name__ == "__main__":
    sys.exit(main())
