"""No module of ours imports one that imports it: neither at the top, nor for types, nor in a function."""

from __future__ import annotations

import ast
from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components

ROOT = Path(__file__).parents[1]
ALLOWED: dict[frozenset[str], str] = {}
"""Circles that may be, with the reason for each."""


def modules(top: Path) -> dict[str, Path]:
    """Return the modules of the window and the core by their dotted names."""
    found = {}
    for room in ("app", "nnpcore"):
        for path in (top / room).rglob("*.py"):
            parts = path.relative_to(top).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(path: Path, known: dict[str, Path]) -> set[str]:
    """Return which known modules a file imports anywhere, by the module that is named."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            whole = [f"{node.module}.{alias.name}" for alias in node.names]
            names = [name if name in known else str(node.module) for name in whole]
        else:
            continue
        found.update(name for name in names if name in known and known[name] != path)
    return found


def circles(graph: dict[str, set[str]]) -> set[frozenset[str]]:
    """Return the sets of modules that reach each other."""
    names = sorted(graph)
    number = {name: k for k, name in enumerate(names)}
    edges = [(number[a], number[b]) for a in names for b in graph[a]]
    rows, columns = np.array(edges).T
    matrix = csr_matrix((np.ones(len(edges)), (rows, columns)), shape=(len(names), len(names)))
    n_parts, part = connected_components(matrix, connection="strong")
    groups = [frozenset(names[k] for k in np.flatnonzero(part == i)) for i in range(n_parts)]
    return {group for group in groups if len(group) > 1}


def graph_of(top: Path) -> dict[str, set[str]]:
    known = modules(top)
    return {name: imports(path, known) for name, path in known.items()}


def test_no_module_imports_what_imports_it():
    found = circles(graph_of(ROOT))
    assert found == set(ALLOWED), "\n".join(" <-> ".join(sorted(group)) for group in found)


@pytest.mark.parametrize(
    "line",
    [
        "from app.two import two",
        "import app.two",
        "from app import two",
        "def work():\n    from app.two import two",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from app.two import two",
    ],
)
def test_a_circle_is_found_however_it_is_hidden(tmp_path, line):
    (tmp_path / "app").mkdir()
    for name, text in (
        ("__init__", ""),
        ("one", line),
        ("two", "import app.three"),
        ("three", "import app.one"),
    ):
        (tmp_path / "app" / f"{name}.py").write_text(text)
    assert circles(graph_of(tmp_path)) == {frozenset({"app.one", "app.two", "app.three"})}


def test_few_files_stand_outside_the_rooms():
    for room in ("app", "nnpcore"):
        loose = sorted(path.name for path in (ROOT / room).glob("*.py"))
        assert len(loose) <= 12, loose
