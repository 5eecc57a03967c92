"""The check of a graphics card runs on the processor, so that it works when there is a card."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    spec = importlib.util.spec_from_file_location("gpu_check", BENCHMARKS / "gpu_check.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "gpu_check", module)
    spec.loader.exec_module(module)
    return module


def test_all_parts_run_on_the_processor(script: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(script.Check, "numeric_tests", lambda _: None)  # the suite itself runs them
    check = script.Check("torch-cpu", quick=True)
    check.run()
    assert [line.note for line in check.lines if not line.right] == []
    assert [line.what.split(",")[0] for line in check.lines] == [
        "the same training twice",
        "Adam epoch",
        "Kalman filter",
        "energy and forces",
    ]


def test_wrong_numbers_are_called_wrong(script: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    from nnpcore.potential import torch_inference

    usual = torch_inference.predict_torch

    def wrong(*arguments: Any) -> Any:
        found = usual(*arguments)
        found.forces[0, 0] += 1e-3
        return found

    monkeypatch.setattr(torch_inference, "predict_torch", wrong)
    check = script.Check("torch-cpu", quick=True)
    check.evaluation()
    assert [line.right for line in check.lines] == [False]


def test_without_a_card_it_says_so(script: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(SystemExit, match="finds no graphics card on this machine"):
        script.card("cuda")
