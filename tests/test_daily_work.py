"""The worked example of the daily work: its page is what ``tools/daily_work.py`` runs."""

from __future__ import annotations

import importlib.util
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

from nnpcore.cli import main
from nnpcore.structures.groups import groups_of
from nnpcore.structures.reading import read_dataset

TOOL = Path(__file__).parents[1] / "tools" / "daily_work.py"


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("daily_work", TOOL)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_command_of_the_page_is_understood(
    tool: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    commands = tool.commands_of(tool.PAGE.read_text(encoding="utf-8"))
    asked = [words[1:] for words in commands if words[0] == "eatlas"]
    names = {words[0] for words in asked}
    assert {"info", "train", "learning-curve", "calibrate", "outliers", "watch"} <= names
    for words in asked:
        assert main([*words, "--help"]) == 0, words  # options are parsed before help is shown
    assert main([*asked[0], "--nothing", "--help"]) == 2
    capsys.readouterr()


def test_files_of_the_page_fit_the_data(tool: ModuleType) -> None:
    files = tool.files_of(tool.PAGE.read_text(encoding="utf-8"))
    assert {"weights.toml", "cold.py", "hot.py"} <= set(files)
    frames = read_dataset(str(tool.DATA / "Si.training.extxyz.xz")).frames
    assert set(tomllib.loads(files["weights.toml"])) <= set(groups_of(frames))
    for name, text in files.items():
        if name.endswith(".py"):
            compile(text, name, "exec")
    assert all((TOOL.parents[1] / "docs" / "images" / shown).is_file() for shown in tool.PICTURES.values())


def test_a_command_that_fails_stops_the_page(
    tool: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "stop.py").write_text("import sys; print('seen'); sys.exit(3)")
    with pytest.raises(tool.subprocess.CalledProcessError):
        tool.run(["python", "stop.py"], tmp_path)
    assert (tmp_path / "said.txt").read_text() == "$ python stop.py\nseen\n"
    assert "seen" in capsys.readouterr().out


def test_a_page_that_was_broken_off_goes_on_where_it_was(
    tool: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "page.md").write_text(
        "```python\n# one.py\nprint('one')\n```\n"
        "```python\n# two.py\nimport pathlib, sys\nmade = pathlib.Path('made')\nmade.mkdir()\n"
        "sys.exit(0 if pathlib.Path('ready').exists() else 3)\n```\n"
        "```sh\npython one.py\npython two.py -o made\n```\n"
    )
    monkeypatch.setattr(tool, "PAGE", tmp_path / "page.md")
    monkeypatch.setattr(tool, "PICTURES", {})
    folder = tmp_path / "out"
    monkeypatch.setattr("sys.argv", ["daily_work.py", str(folder)])
    with pytest.raises(tool.subprocess.CalledProcessError):
        tool.main()
    (folder / "ready").touch()
    tool.main()
    said = (folder / "said.txt").read_text().splitlines()
    assert said == ["$ python one.py", "one", "$ python two.py -o made", "$ python two.py -o made"]
    capsys.readouterr()
