"""Fixtures shared by all tests: devices, a small random potential, a run folder."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from nnpcore.potential import Potential


for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):  # threads of small products wait for each other
    os.environ.setdefault(variable, "1")
os.environ.setdefault("LOKY_MAX_CPU_COUNT", "1")  # scikit-learn warns where a container hides its cores

pytest_plugins = ["window_fixtures"]


def _has_cuda() -> bool:
    """Whether a GPU is there; torch, slow to import, is only asked where a driver is."""
    if not any(Path(p).exists() for p in ("/dev/nvidiactl", "/dev/nvidia0", "/dev/dxg", "/dev/kfd")):
        return False
    import torch

    return torch.cuda.is_available()


DEVICES = ("cpu", "cuda") if _has_cuda() else ("cpu",)


@pytest.fixture(params=DEVICES)
def device(request: pytest.FixtureRequest) -> str:
    """Every device present: "cpu", and "cuda" where there is one."""
    return request.param


@pytest.fixture(params=("torch-cpu", *DEVICES))
def backend(request: pytest.FixtureRequest) -> str:
    """Every device present, and the torch path on the CPU."""
    return request.param


@pytest.fixture(scope="session")
def silicon_potential() -> Potential:
    """Return a small random potential for silicon, three members."""
    from builders import build_frame, build_functions, build_potential

    frames = [build_frame("Si", rattle=0.2, seed=s) for s in range(6)]
    return build_potential(build_functions(["Si"]), frames)


@pytest.fixture
def run_folder(tmp_path: Path) -> Path:
    """Return a path for a run folder that does not exist yet."""
    return tmp_path / "run"
