"""Run every benchmark in a process of its own and print one table.

``python benchmarks/run.py [--threads 2] [--only descriptors training] [--json FILE] [--markdown FILE]``;
``BENCH_JSON`` in the environment names a JSON file too; Markdown is a page of the documentation. Each time is
also given in units of one 1024³ float32 matrix product on the same number of threads, measured in the same
run: figures of different machines can so be compared.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
BENCHMARKS = (
    "descriptors", "training", "inference", "compiling", "files", "window", "large", "analyses",
)  # fmt: skip
INTRODUCTION = """# How fast it is

This page is written by `python benchmarks/run.py --markdown docs/speed.md`, all benchmarks of `make bench` in
one run; nothing in it is set by hand. {cpu}, {cores} cores; *m* is one 1024³ float32 matrix product on the
same threads in the same run ({products}). Compare machines by *m*: seconds differ between them, and
scatter on one that others use, too. The reference workload is 350 frames of 64 silicon atoms, five members,
preset 26 and the settings of version 0.2.0. *Before* is that version; a cross: a goal that is not reached.
"""
SECONDS = {"s": 1.0, "ms": 1e-3, "µs": 1e-6, "us": 1e-6}
THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)


def run_child(name: str, threads: int) -> dict[str, Any]:
    """Run one benchmark module with this many threads; return its rows, peak memory and failure, if any."""
    environment = os.environ | {variable: str(threads) for variable in THREAD_VARIABLES}
    paths = (str(HERE.parent), os.environ.get("PYTHONPATH"))
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "rows.json"
        command = [sys.executable, str(HERE / "child.py"), name, str(threads), str(target)]
        status = subprocess.run(command, env=environment, stdout=sys.stderr, check=False).returncode
        if status or not target.exists():
            return {"rows": [], "failure": f"{name}: ended with status {status}"}
        return json.loads(target.read_text())


def collect(names: list[str], threads: int) -> dict[str, Any]:
    """Run the named benchmarks and return everything that is known about this run."""
    counts = sorted({1, threads})
    matmul = {n: float(run_child("matmul", n)["rows"][0]["value"]) for n in counts}
    rows: list[dict[str, Any]] = []
    failures: list[str] = []
    for name in names:
        print(f"{name} ...", file=sys.stderr, flush=True)
        answer = run_child(name, threads)
        failures += [answer["failure"]] if "failure" in answer else []
        rows += [with_ratio(row, name, matmul) for row in answer["rows"]]
    return {
        "machine": {
            "cpu": cpu_name(),
            "cores": os.cpu_count(),
            "python": platform.python_version(),
            "matmul_seconds": {str(n): seconds for n, seconds in matmul.items()},
            "matmul_gflops": {str(n): 2 * 1024**3 / seconds / 1e9 for n, seconds in matmul.items()},
        },
        "rows": rows,
        "failures": failures,
    }


def with_ratio(row: dict[str, Any], benchmark: str, matmul: dict[int, float]) -> dict[str, Any]:
    """Add the benchmark's name, the ratio to the matrix product (of times) and whether the aim is reached."""
    seconds = row["value"] * SECONDS[row["unit"]] if row["unit"] in SECONDS else None
    base = matmul.get(row["threads"], matmul[max(matmul)])
    reached = None if row["aim"] is None else row["value"] <= row["aim"]
    return row | {
        "benchmark": benchmark,
        "ratio_to_matmul": None if seconds is None else seconds / base,
        "aim_reached": reached,
    }


def cpu_name() -> str:
    """Return the processor's name as the system gives it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def show(result: dict[str, Any]) -> None:
    """Print the table for a person."""
    from rich.console import Console
    from rich.table import Table

    machine = result["machine"]
    speeds = ", ".join(
        f"{1e3 * seconds:.1f} ms ({machine['matmul_gflops'][n]:.0f} GFLOP/s) with {n} thread(s)"
        for n, seconds in machine["matmul_seconds"].items()
    )
    table = Table(title=f"{machine['cpu']}; 1024³ float32 product: {speeds}", title_justify="left")
    for heading in ("what", "threads", "measured", "aim", "before", "per matmul"):
        table.add_column(heading, justify="left" if heading == "what" else "right")
    table.add_column("n2p2, SIMPLE-NN (another machine)")
    table.add_column("note")
    for row in result["rows"]:
        aim = "" if row["aim"] is None else f"{row['aim']:g} {'✓' if row['aim_reached'] else '✗'}"
        ratio = "" if row["ratio_to_matmul"] is None else f"{row['ratio_to_matmul']:.3g}"
        measured = f"{row['value']:.0f}" if row["value"] >= 1000 else f"{row['value']:.3g}"
        table.add_row(
            row["name"],
            str(row["threads"]),
            f"{measured} {row['unit']}",
            aim,
            "" if row["before"] is None else f"{row['before']:g}",
            ratio,
            row["reference"],
            row["note"],
        )
    console = Console(width=None if sys.stdout.isatty() else 170)
    console.print(table)
    for failure in result["failures"]:
        console.print(f"failed: {failure}")


def page(result: dict[str, Any]) -> str:
    """Return the run as a page of the documentation, Markdown."""
    machine = result["machine"]
    products = [f"{1e3 * s:.1f} ms on {n}" for n, s in machine["matmul_seconds"].items()]
    lines = [INTRODUCTION.format(cpu=machine["cpu"], cores=machine["cores"], products=", ".join(products))]
    for name in dict.fromkeys(row["benchmark"] for row in result["rows"]):
        lines += [f"## {name.capitalize()}", "", "| what | threads | measured | goal | before | m |"]
        lines.append("|---|---|---|---|---|---|")
        for row in (row for row in result["rows"] if row["benchmark"] == name):
            keys = ("value", "aim", "before", "ratio_to_matmul")
            value, goal, before, ratio = ("" if row[key] is None else _short(row[key]) for key in keys)
            reached = {True: " ✓", False: " ✗", None: ""}[row["aim_reached"]]
            cells = (row["name"], row["threads"], f"{value} {row['unit']}", goal + reached, before, ratio)
            lines.append(f"| {' | '.join(map(str, cells))} |")
        lines.append("")
    lines += [f"failed: {failure}" for failure in result["failures"]]
    return "\n".join(lines).rstrip() + "\n"


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def main() -> int:
    """Parse the arguments, run, print, write; return 1 where a benchmark failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--threads", type=int, default=min(2, os.cpu_count() or 1))
    parser.add_argument("--only", nargs="+", choices=BENCHMARKS, default=list(BENCHMARKS))
    parser.add_argument("--json", default=os.environ.get("BENCH_JSON"))
    parser.add_argument("--markdown", help="write the page of the documentation")
    arguments = parser.parse_args()
    result = collect(arguments.only, arguments.threads)
    show(result)
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n")
    if arguments.markdown:
        Path(arguments.markdown).write_text(page(result), encoding="utf-8")
    return int(bool(result["failures"]))


if __name__ == "__main__":
    sys.exit(main())
