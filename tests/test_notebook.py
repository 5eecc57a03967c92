"""The notebook of the whole path runs from its first cell to its last, and shows what it says."""

from __future__ import annotations

import json
import re
from itertools import groupby
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).parents[1] / "docs" / "notebook.ipynb"
ASKED = """
import json
print(json.dumps({
    "rmse": errors["rmse_energy_mev_per_atom"]["mean"],
    "v0": [fit.v0, reference.v0],
    "bracket": [mapped.bracket.low, mapped.bracket.high],
    "slope": mapped.report.slope_error_gpa,
    "regions": {n: {e.name: e.error_mev for e in found} for n, found in region_table.items()},
    "monitored": {n: r.history[-1].mapping["surface"] for n, r in results.items()},
    "total": float(sum(r.n_atoms * r.reference for r in regions.regions) - regions.frame.energy),
    "connectivity": links.matrix[links.names.index("bulk"), links.names.index("surface")],
    "rigidity": rigidity.rigidity[rigidity.trained_on][rigidity.n_points:].tolist(),
    "surface": surface_energies,
    "difference": written.difference,
    "energies": list(energies.values()),
    "page": str(page),
    "judged": [mapped.verdict.text, mapping.verdict.text, rigidity.text, links.text],
    "levels": [mapped.verdict.level, mapping.verdict.level],
}))
"""


@pytest.fixture(scope="module")
def stored() -> Any:
    return nbformat.read(NOTEBOOK, as_version=4)


@pytest.fixture(scope="module")
def executed(stored: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Return the notebook after a run in a kernel of its own, asked for its numbers at the end."""
    folder = tmp_path_factory.mktemp("notebook")
    notebook = nbformat.from_dict(json.loads(json.dumps(stored)))
    notebook.cells.append(nbformat.v4.new_code_cell(ASKED))
    with pytest.MonkeyPatch.context() as patch:
        for name in ("TMPDIR", "IPYTHONDIR", "JUPYTER_RUNTIME_DIR"):
            patch.setenv(name, str(folder / name.lower()))
            (folder / name.lower()).mkdir()
        client = NotebookClient(notebook, timeout=240, resources={"metadata": {"path": str(folder)}})
        return client.execute()


@pytest.fixture(scope="module")
def numbers(executed: Any) -> dict[str, Any]:
    return json.loads(text_of(executed.cells[-1]))


def text_of(cell: Any) -> str:
    """Return what the cell printed; remarks of libraries on stderr (a font cache being built) are none."""
    return "".join(o.text for o in cell.outputs if o.output_type == "stream" and o.name == "stdout")


def grades(cell: Any) -> list[int]:
    """Return 0, 1 or 2 for each verdict a cell printed: right, doubtful, wrong."""
    verdicts = [line for line in text_of(cell).splitlines() if line.startswith("RMSE ")]
    return [2 if "ad hoc" in v else 1 if ", but" in v else 0 for v in verdicts]


def test_potential_and_equation_of_state(numbers: dict[str, Any]) -> None:
    assert 0 < numbers["rmse"] < 3
    assert numbers["v0"][1] == pytest.approx(20.59, abs=0.01)
    assert numbers["v0"][0] == pytest.approx(numbers["v0"][1], abs=0.3)
    assert numbers["bracket"][0] < numbers["v0"][1] < numbers["bracket"][1]
    assert abs(numbers["slope"]) < 2


def test_the_slab_cures_the_mapping(numbers: dict[str, Any]) -> None:
    alone, both = numbers["regions"]["bulk"], numbers["regions"]["bulk and slab"]
    assert numbers["total"] == pytest.approx(0.0, abs=1e-8)  # exact atomic energies add up
    assert abs(alone["bulk"]) < 20 and abs(both["bulk"]) < 20
    assert abs(alone["surface"]) > 5 * abs(both["surface"]) and abs(both["surface"]) < 30
    for name, value in numbers["monitored"].items():  # of the last epoch; the potential's of the best ones
        assert value == pytest.approx(numbers["regions"][name]["surface"], rel=0.5, abs=30.0)
    assert numbers["connectivity"] < 0.3
    assert numbers["rigidity"][1] < numbers["rigidity"][0]
    surface = numbers["surface"]
    assert 1.0 < surface["reference"] < 2.0
    assert abs(surface["bulk and slab"] - surface["reference"]) < 0.2
    assert abs(surface["bulk"] - surface["reference"]) > 0.4


def test_what_leaves_is_the_same(numbers: dict[str, Any]) -> None:
    assert numbers["difference"] < 1e-9
    assert numbers["energies"][0] == pytest.approx(numbers["energies"][1], abs=1e-6)
    assert numbers["levels"][0] in ("right", "doubtful", "open", "wrong")
    assert numbers["levels"][1] in ("wrong", "open", "doubtful")  # the surface is off by hundreds of RMSEs
    page = Path(numbers["page"]).read_text(encoding="utf-8")
    assert "Mapping errors by region" in page and page.count("data:image/svg+xml") == 9


def test_stored_outputs_are_those_of_a_run(stored: Any, executed: Any, numbers: dict[str, Any]) -> None:
    """The text that is stored says what a run prints, but for digits and the sentences that judge them.

    A judging sentence may have other words on another processor; its level stays next to the stored one.
    """

    def words(cell: Any) -> list[str]:
        return [plain(line) for line in text_of(cell).splitlines()]

    def plain(line: str) -> str:
        return "".join(re.sub(r"[-+−]?[\d.]+(e[-+]\d+)?", "#", line).split())  # numpy fills up short numbers

    judged = {plain(sentence) for sentence in numbers["judged"]}

    def kinds(cell: Any) -> list[str]:
        """Kinds of the outputs; what is printed may come in one piece or in several."""
        shown = (o.output_type for o in cell.outputs if o.get("name") != "stderr")
        return [kind for kind, _ in groupby(shown)]

    for old, new in zip(stored.cells, executed.cells[:-1], strict=True):
        assert old.source == new.source
        if old.cell_type == "code":
            said, known = words(new), words(old)
            assert len(said) == len(known)
            assert [a for a, b in zip(said, known, strict=True) if a != b and a not in judged] == []
            assert all(abs(a - b) < 2 for a, b in zip(grades(new), grades(old), strict=True))
            assert kinds(old) == kinds(new)
            assert not any(o.output_type == "error" or o.get("name") == "stderr" for o in old.outputs)
    assert NOTEBOOK.stat().st_size < 500_000
