"""What derivatives in half precision would do: ``half_precision.py silicon|metal SEED``.

Each symmetry function's derivatives are divided by their largest number and rounded to eleven bits. Networks
that were trained on them are judged with exact derivatives.
"""

from __future__ import annotations

import json
import os
import sys
import time
from dataclasses import replace
from typing import Any

import numpy as np

from nnpcore.descriptors import DescriptorSet, compute_descriptors
from nnpcore.potential import Potential
from nnpcore.potential.pair_forces import add_forces, pair_gradients
from nnpcore.structures.frame import Frame
from nnpcore.training import Trainer, TrainSettings
from nnpcore.training.storage import Storage

EPOCHS = int(os.environ.get("HALF_EPOCHS", "15"))


def rounded(found: DescriptorSet) -> DescriptorSet:
    """Return descriptors whose derivatives went through half precision."""
    derivatives = found.derivatives
    if derivatives is None:
        return found
    return replace(found, derivatives=half(derivatives)[0].astype(np.float32) * half(derivatives)[1])


def half(derivatives: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return derivatives in half precision and the factor of each symmetry function."""
    scale = np.abs(derivatives).max(axis=(0, 1))
    scale[scale == 0] = 1.0
    return (derivatives / scale).astype(np.float16), scale.astype(np.float32)


def data(name: str) -> tuple[list[Frame], list[Frame]]:
    """Return training and validation frames."""
    if name == "silicon":
        from workload import load_workload

        return load_workload(100, 100)
    from alloys import frames_of

    frames = frames_of(name, 200)
    return frames[:100], frames[100:]


def errors(potential: Potential, frames: list[Frame]) -> dict[str, float]:
    """Return RMSEs of the mean of the members with exact derivatives, meV/atom and eV/Å."""
    found = potential.predict(frames, stress=False, n_threads=1)
    wanted = np.array([frame.energy for frame in frames])
    forces = np.concatenate([frame.forces for frame in frames if frame.forces is not None])
    assert found.forces is not None
    energies = np.add.reduceat(found.atomic_energies_members.mean(axis=0), found.frame_start[:-1])
    return {
        "energy_mev": float(1000 * np.sqrt(np.mean(((energies - wanted) / found.n_atoms) ** 2))),
        "force": float(np.sqrt(np.mean((found.forces - forces) ** 2))),
    }


def moved_forces(potential: Potential, frames: list[Frame]) -> dict[str, float]:
    """Return by how much forces of the first member change with rounded derivatives, eV/Å, and ms."""
    functions = potential.functions
    one, differences, seconds = potential.member(0), [], 0.0
    for frame in frames:
        found = compute_descriptors([frame], functions, dtype=np.float32, n_threads=1)
        assert found.derivatives is not None
        slopes = np.moveaxis(one.gradients_of(found.values, found.species)[1], 0, 1).astype(np.float32)
        kept, scale = half(found.derivatives)
        began = time.perf_counter()
        again = kept.astype(np.float32)
        seconds += time.perf_counter() - began
        forces = []
        for derivatives in (found.derivatives, again * scale):
            pairs = pair_gradients(np.ascontiguousarray(slopes), found.pair_start, derivatives)
            own = np.zeros((found.n_atoms, 1, 3), dtype=np.float64)
            add_forces(pairs, 0, found.pair_start, found.pair_neighbor, own)
            forces.append(own)
        differences.append(forces[1] - forces[0])
    moved = np.concatenate(differences)
    return {
        "rms": float(np.sqrt(np.mean(moved**2))),
        "largest": float(np.abs(moved).max()),
        "ms_to_single": 1000 * seconds / len(frames),
    }


def main(name: str, seed: int) -> dict[str, Any]:
    """Train twice and compare."""
    train, valid = data(name)
    settings = TrainSettings(seed=seed, n_threads=1, device="cpu", guidance=0.0, epochs=EPOCHS)
    result: dict[str, Any] = {"name": name, "seed": seed}
    usual = Storage.compute
    for kind in ("single", "half"):
        if kind == "half":
            Storage.compute = lambda *a, **k: rounded(usual(*a, **k))
        used = time.process_time()
        potential = Trainer(settings, train, valid).run().potential
        Storage.compute = usual
        result[kind] = errors(potential, valid) | {"cpu": time.process_time() - used}
        if kind == "single":
            result["moved"] = moved_forces(potential, valid[:20])
    return result


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], int(sys.argv[2]))))
