"""The package: what a wheel holds, what importing costs, and the check of the system libraries."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SHIPPED = ("nnpcore", "app", "resources", "pyproject.toml", "README.md")
HEAVY = ("torch", "numba", "scipy", "sklearn", "matplotlib", "PySide6", "typer", "rich", "pydantic")

sys.path.insert(0, str(ROOT / "tools"))
import system_libraries  # noqa: E402


def python(code: str, *, path: Path = ROOT) -> str:
    """Run code in a fresh interpreter that finds the packages in ``path``; return what it prints."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
        env={"PYTHONPATH": str(path), "PATH": "/usr/bin:/bin"},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a wheel built from a copy of what is shipped."""
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in SHIPPED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, source / name)
    command = [sys.executable, "-m", "pip", "wheel", str(source), "--no-deps", "--no-build-isolation", "-q"]
    done = subprocess.run([*command, "-w", str(target)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return next(target.glob("eatlas-*.whl"))


def test_wheel_holds_every_resource_and_module(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        packed = set(archive.namelist())
    wanted = {
        str(file.relative_to(ROOT))
        for name in ("nnpcore", "app", "resources")
        for file in (ROOT / name).rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }
    assert wanted <= packed, sorted(wanted - packed)
    assert not any(name.startswith(("tests", "benchmarks", "tools", "docs")) for name in packed)


def test_installed_wheel_reads_its_example(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
        entry = next(name for name in archive.namelist() if name.endswith("entry_points.txt"))
        assert "eatlas = nnpcore.cli:main" in archive.read(entry).decode()
    code = (
        "import nnpcore, nnpcore.cli; from nnpcore.structures import example_path, read_dataset;"
        "print(nnpcore.__file__); print(read_dataset(example_path('eos')).summary().formula)"
    )
    location, formula = python(code, path=tmp_path).splitlines()
    assert location.startswith(str(tmp_path))
    assert formula == "Si8"


def test_importing_the_entry_point_is_cheap() -> None:
    code = f"import sys, nnpcore.cli; print([m for m in {HEAVY} if m in sys.modules])"
    assert python(code) == "[]"


@pytest.mark.parametrize("module", ["nnpcore", "app.main", "app.shell.main_window"])
def test_the_window_is_there_before_numerical_libraries(module: str) -> None:
    late = ("torch", "numba", "scipy", "sklearn", "matplotlib")
    assert python(f"import sys, {module}; print([m for m in {late} if m in sys.modules])") == "[]"


def test_help_answers_without_numerical_libraries() -> None:
    code = (
        "import sys, contextlib, io\nfrom nnpcore.cli import main\n"
        "with contextlib.redirect_stdout(io.StringIO()) as text: status = main(['--help'])\n"
        "heavy = [m for m in ('torch', 'numba', 'scipy', 'PySide6') if m in sys.modules]\n"
        "print(status, 'train' in text.getvalue(), heavy)"
    )
    assert python(code) == "0 True []"


def test_missing_libraries_give_one_command_to_a_plain_user(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(system_libraries, "loads", lambda names: names != "libglib-2.0.so.0")
    monkeypatch.setattr(system_libraries, "privilege", lambda: None)
    monkeypatch.setattr(system_libraries, "known_to_apt", lambda name: name == "libglib2.0-0")
    monkeypatch.setattr(system_libraries.shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(sys, "argv", ["system_libraries.py"])
    assert system_libraries.main() == 1
    assert "apt-get install --no-install-recommends libglib2.0-0\n" in capsys.readouterr().out


def test_nothing_is_installed_where_nothing_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(system_libraries, "missing_packages", lambda tests: [])
    monkeypatch.setattr(system_libraries.subprocess, "run", lambda *a, **k: pytest.fail("a command was run"))
    monkeypatch.setattr(sys, "argv", ["system_libraries.py", "--tests"])
    assert system_libraries.main() == 0
