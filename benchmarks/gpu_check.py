"""Check a graphics card: the core's numeric tests, training and evaluation there, beside the processor.

``python benchmarks/gpu_check.py [--device cuda] [--quick] [--json FILE]`` prints a table and ends with 0 if
all is right. It needs Python, torch, numpy, numba, scipy, scikit-learn and safetensors; ``--pack FOLDER``
collects what else it needs (run it where packages can be installed), and ``PYTHONPATH=FOLDER`` brings that
along. ``--device torch-cpu`` runs the same path on the processor, so that the script is tried without a card.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
TOP = HERE.parent
CARRIED = (
    "ase", "pydantic", "pydantic_core", "typing_extensions", "annotated_types", "typing_inspection",
    "tomli_w", "psutil", "threadpoolctl", "pytest", "pluggy", "iniconfig", "packaging", "pygments",
)  # fmt: skip
TESTS = (
    "test_physics_contract.py", "test_descriptors.py", "test_descriptors_shapes.py", "test_guidance.py",
    "test_potential_network.py", "test_training_kalman.py", "test_training_kernels.py",
)  # fmt: skip
GOALS = (0.31, 0.035)
"""Energy in meV/atom and force in eV/Å on validation frames, of every member."""
_MOST_EPOCHS = 12
_SAME_RMSE = 1.25
"""Errors on the device may be this many times those on the processor: trainings part after some digits."""


@dataclass(frozen=True)
class Line:
    """A line of the table: what was done, on the device and on the processor, and whether it is right."""

    what: str
    device: str
    processor: str = ""
    right: bool = True
    note: str = ""


class Check:
    """All checks on one device, in order; :attr:`lines` grows."""

    def __init__(self, device: str, *, quick: bool) -> None:
        self.device = device
        self.quick = quick
        self.lines: list[Line] = []
        self._n_frames = (10, 5) if quick else (350, 150)
        self._sizes = (64,) if quick else (64, 1_000, 10_000, 100_000, 1_000_000)

    def run(self) -> None:
        """Do everything; one part's failure does not keep the others from running."""
        for part in (self.numeric_tests, self.same_twice, self.adam, self.kalman, self.evaluation):
            try:
                part()
            except Exception as error:
                text = f"{type(error).__name__}: {error}"
                self.lines.append(Line(part.__name__.replace("_", " "), "failed", right=False, note=text))

    def numeric_tests(self) -> None:
        """Run the tests that know devices."""
        wanted = self.device if self.device == "torch-cpu" else "cuda"
        files = TESTS[:1] if self.quick else TESTS
        command = [
            sys.executable, "-m", "pytest", "-q", "-x", "-o", "addopts=", "-o", "filterwarnings=default",
            "-p", "no:cacheprovider", "-k", wanted, *(f"tests/{name}" for name in files),
        ]  # fmt: skip
        paths = os.pathsep.join(filter(None, (str(TOP), str(TOP / "tests"), os.environ.get("PYTHONPATH"))))
        done = subprocess.run(
            command,
            cwd=TOP,
            env=os.environ | {"PYTHONPATH": paths},
            capture_output=True,
            text=True,
            check=False,
        )
        last = (done.stdout.strip() or done.stderr.strip() or "no output").splitlines()[-1]
        if done.returncode:
            print(done.stdout[-4000:], done.stderr[-2000:], sep="\n")
        self.lines.append(Line("numeric tests of the core", last, right=done.returncode == 0))

    def same_twice(self) -> None:
        """Train twice: where the device promises the same numbers, they are."""
        weights = [self._trained("kalman", 1, self.device)[0] for _ in range(2)]
        same = bool((weights[0] == weights[1]).all())
        close = float(abs(weights[0] - weights[1]).max() / abs(weights[0]).max())
        text = "the same numbers" if same else f"weights differ by {close:.1g} of the largest"
        self.lines.append(Line("the same training twice", text, right=same or close < 1e-2))

    def adam(self) -> None:
        """An epoch of Adam."""
        epochs = 1 if self.quick else 4
        times = [self._trained("adam", epochs, device)[1] for device in (self.device, "cpu")]
        best = [min(b - a for a, b in zip([0.0, *t], t, strict=False)) for t in times]
        self.lines.append(
            Line(
                "Adam epoch, 5 members",
                f"{best[0]:.3g} s",
                f"{best[1]:.3g} s",
                note=f"{best[1] / best[0]:.2g} ×",
            )
        )

    def kalman(self) -> None:
        """Train by the filter to the goal, or for some epochs, and compare the errors."""
        epochs = 1 if self.quick else _MOST_EPOCHS
        found = [self._to_goal(device, epochs) for device in (self.device, "cpu")]
        (seconds, energy, force), (cpu_seconds, cpu_energy, cpu_force) = found
        right = energy < _SAME_RMSE * cpu_energy + 0.05 and force < _SAME_RMSE * cpu_force
        self.lines.append(
            Line(
                f"Kalman filter to {GOALS[0]} meV/atom, {GOALS[1]} eV/Å"
                if not self.quick
                else "Kalman filter",
                f"{seconds:.3g} s: {energy:.2f} meV/atom, {force:.3f} eV/Å",
                f"{cpu_seconds:.3g} s: {cpu_energy:.2f} meV/atom, {cpu_force:.3f} eV/Å",
                right,
            )
        )

    def evaluation(self) -> None:
        """Energies, forces and stress of more and more atoms; the same numbers as on the processor."""
        from bench_inference import potential, silicon

        from nnpcore.structures.frame import Frame

        model = potential()
        for n in self._sizes:
            side = round((n / 8) ** (1 / 3))
            frame = Frame.from_atoms(silicon((side, side, max(1, round(n / 8 / side**2)))))
            seconds, found = _timed(
                lambda frame=frame: model.predict([frame], device=self.device, members=False)
            )
            peak = self._peak_gb()
            usual, expected = _timed(lambda frame=frame: model.predict([frame], members=False))
            off = float(abs(found.forces - expected.forces).max())
            self.lines.append(
                Line(
                    f"energy and forces, {frame.n_atoms:,} atoms",
                    f"{seconds:.3g} s{peak}",
                    f"{usual:.3g} s",
                    off < 1e-4,
                    f"{usual / seconds:.2g} ×; forces differ by {off:.1g} eV/Å",
                )
            )

    def _trained(self, optimizer: str, epochs: int, device: str) -> tuple:
        """Train; return the weights of all members in one array, and the seconds at the end of each epoch."""
        import numpy as np

        trainer = self._trainer(optimizer, epochs, device, validate=False)
        trainer.prepare()
        seconds: list[float] = []
        trainer.run(lambda record, _: seconds.append(record.seconds))
        arrays = trainer.current_potential().weights.to_arrays()
        return np.concatenate([array.ravel() for _, array in sorted(arrays.items())]), seconds

    def _to_goal(self, device: str, epochs: int) -> tuple[float, float, float]:
        """Return seconds, and the largest errors of a member, when the goal is reached or epochs are over."""
        from nnpcore.training import TrainControl

        control = TrainControl()
        trainer = self._trainer("kalman", epochs, device, validate=True)
        trainer.prepare()
        last = (0.0, float("inf"), float("inf"))

        def look(record, _) -> None:
            nonlocal last
            errors = [float(record.valid[name]["members"].max()) for name in ("energy", "force")]
            last = (record.seconds, *errors)
            if errors[0] <= GOALS[0] and errors[1] <= GOALS[1]:
                control.stop()

        trainer.run(look, control)
        return last

    def _trainer(self, optimizer: str, epochs: int, device: str, *, validate: bool):
        from workload import load_workload

        from nnpcore.training import PRESET_26, Trainer, TrainSettings

        train, valid = load_workload(*self._n_frames)
        settings = TrainSettings(
            descriptors=PRESET_26,
            stress_weight=0.0,
            optimizer=optimizer,
            epochs=epochs,
            device="cpu",
            guidance=0.0,
            seed=1,
        )
        trainer = Trainer(settings, train, valid if validate else [])
        trainer.device = device
        return trainer

    def _peak_gb(self) -> str:
        if self.device == "torch-cpu":
            return ""
        import torch

        peak = torch.cuda.max_memory_allocated() / 1e9
        torch.cuda.reset_peak_memory_stats()
        return f", {peak:.2g} GB"


def _timed(work: Callable) -> tuple:
    """Do some work twice; return the seconds of the second time, and what came out."""
    work()
    started = time.perf_counter()
    found = work()
    return time.perf_counter() - started, found


def card(device: str) -> str:
    """Return the name of the device, or end with a clear word where there is none."""
    import torch

    if device == "torch-cpu":
        return f"the processor, by torch {torch.__version__}"
    if not torch.cuda.is_available():
        sys.exit(
            f"torch {torch.__version__} finds no graphics card on this machine. Install a torch that fits "
            "the card, or try the same path on the processor: --device torch-cpu"
        )
    properties = torch.cuda.get_device_properties(torch.device(device))
    return f"{properties.name}, {properties.total_memory / 1e9:.0f} GB, torch {torch.__version__}"


def pack(folder: Path) -> int:
    """Install into a folder what a machine with only the large packages lacks."""
    command = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "-q",
        "--no-deps",
        "--no-compile",
        "--target",
        str(folder),
    ]
    return subprocess.run([*command, *CARRIED], check=False).returncode


def show(name: str, lines: list[Line], seconds: float) -> None:
    """Print the table."""
    table = [("what", "device", "processor", "", "note")]
    table += [(x.what, x.device, x.processor, "right" if x.right else "WRONG", x.note) for x in lines]
    widths = [max(len(row[k]) for row in table) for k in range(4)]
    print(f"{name}; {seconds:.0f} s")
    for row in table:
        print("  ".join([*(text.ljust(w) for text, w in zip(row, widths, strict=False)), row[4]]).rstrip())


def main() -> int:
    """Parse the arguments, check, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--quick", action="store_true", help="small: a minute on a processor")
    parser.add_argument("--pack", type=Path, metavar="FOLDER")
    parser.add_argument("--json", type=Path, metavar="FILE")
    arguments = parser.parse_args()
    if arguments.pack is not None:
        return pack(arguments.pack)
    sys.path[:0] = [str(TOP), str(HERE)]
    name, started = card(arguments.device), time.perf_counter()
    check = Check(arguments.device, quick=arguments.quick)
    check.run()
    show(name, check.lines, time.perf_counter() - started)
    if arguments.json is not None:
        arguments.json.write_text(json.dumps([asdict(line) for line in check.lines], indent=1) + "\n")
    return int(not all(line.right for line in check.lines))


if __name__ == "__main__":
    sys.exit(main())
