"""Analyses of a training set of 20,000 frames of 64 atoms: time of each, and anonymous memory it adds.

The atoms are those of the reference workload many times over, each moved by a tenth of the usual deviation.
"""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Any

import numpy as np
from bench_large import Anonymous
from bench_training import in_child_of

N_FRAMES = int(os.environ.get("BENCH_ANALYSES_FRAMES", "20000"))
_BEFORE = {
    "reach": (38.7, 733.0),
    "distance": (4.8, 724.0),
    "pca": (5.3, 1515.0),
    "map_energies": (2.5, 482.0),
    "map_distances": (90.4, 724.0),
    "connectivity": (1.7, 735.0),
}
"""CPU seconds and MB of each analysis for 20,000 frames, before it was bounded."""


def training_values(n_frames: int) -> tuple[Any, Any]:
    """Return an ensemble and symmetry functions of frames, a twentieth of them for validation."""
    from workload import load_workload

    from nnpcore.descriptors import SymmetryFunctions, Whitening, compute_descriptors
    from nnpcore.potential import NetworkWeights, Potential
    from nnpcore.training import TrainingValues

    known = load_workload()[0][:100]
    functions = SymmetryFunctions.preset("26", ["Si"], 6.0)
    some = compute_descriptors(known, functions, derivatives=False, n_threads=1).values
    whitening = Whitening.fit(some, np.zeros(len(some), dtype=np.int32), functions)
    model = Potential(functions, whitening, NetworkWeights.initial(functions, (30, 30), 5, 0), {"Si": -4.6})
    n_atoms, rng = 64 * n_frames, np.random.default_rng(0)
    values = np.empty((n_atoms, some.shape[1]))
    for start in range(0, n_atoms, len(some)):
        part = values[start : start + len(some)]
        part[:] = some[: len(part)] + rng.normal(0.0, 0.1, part.shape) * some.std(axis=0)
    frame = np.repeat(np.arange(n_frames, dtype=np.int32), 64)
    is_training = frame >= n_frames // 20
    frame[is_training] -= n_frames // 20
    return model, TrainingValues(values, np.zeros(n_atoms, dtype=np.int32), frame, is_training)


def analyse(n_frames: int) -> dict[str, Any]:
    """Return CPU seconds and memory of each analysis, one after the other."""
    from nnpcore.analyses.catalogue import CONNECTIVITY, DISTANCE, PCA, REACH
    from nnpcore.analyses.pca import MAP_DISTANCES, MAP_ENERGIES
    from nnpcore.analyses.study import evaluation_of
    from nnpcore.structures import example_path, read_dataset

    scan = read_dataset(example_path("eos")).frames
    warm = evaluation_of(*training_values(20), eos_frames=scan)
    model, values = training_values(n_frames)
    evaluation = evaluation_of(model, values, eos_frames=scan)
    found: dict[str, Any] = {"values_mb": values.values.nbytes / 1e6}
    for analysis in (REACH, DISTANCE, PCA, MAP_ENERGIES, MAP_DISTANCES, CONNECTIVITY):
        warm.value(analysis, n_threads=1)
        used = time.process_time()
        with Anonymous() as memory:
            evaluation.value(analysis, n_threads=1)
        added, kept = memory.peak - memory.start, Anonymous.now() - memory.start
        found[analysis.name] = [time.process_time() - used, added, kept]
        print(analysis.name, found[analysis.name], file=sys.stderr, flush=True)
    return found


def rows(threads: int = 2) -> list[dict[str, Any]]:
    """Measure in a process of its own."""
    found = in_child_of(__file__, N_FRAMES)
    name = f"{N_FRAMES:,} frames of 64 atoms analysed"
    values = found.pop("values_mb")
    result = []
    for analysis, (cpu, peak, kept) in found.items():
        before = _BEFORE.get(analysis, (None, None)) if N_FRAMES == 20_000 else (None, None)
        note = f"symmetry functions themselves {values:.0f} MB; {kept:.0f} MB stay"
        result += [
            {"name": f"{name}: {analysis}, CPU", "value": cpu, "unit": "s", "before": before[0]},
            {"name": f"{name}: {analysis}, memory added", "value": peak, "unit": "MB", "before": before[1],
             "note": note},
        ]  # fmt: skip
    return result


if __name__ == "__main__":
    print(json.dumps(analyse(int(sys.argv[1]))))
