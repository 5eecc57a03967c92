"""Draw the small pictures of the welcome page from the bundled examples: what is to be seen in each of them.

``python tools/thumbnails.py``. They have no numbers and few words, so that nothing in them is too small to
read. The silicon example shows parts of the window instead, which are kept as they are.
"""

from __future__ import annotations

import io
import json
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from app.look.palette import DARK, LIGHT, Theme  # noqa: E402
from app.workers.example_sessions import unpack  # noqa: E402
from nnpcore.figures.eos import spline  # noqa: E402
from nnpcore.potential import Potential  # noqa: E402
from nnpcore.structures import Frame, read_dataset  # noqa: E402
from nnpcore.training import RunFolder  # noqa: E402

if TYPE_CHECKING:
    from matplotlib.axes import Axes

EXAMPLES = ROOT / "resources" / "examples"
SIZE = (610, 184)
"""Pixels: a card of the welcome page on a display with two pixels a point."""

DOTS, FONT = 100, 14.0
COLORS = 64
BULK, SURFACE = 0, 1
SCAN = "data/heal/eos.extxyz"
"""A crystal along its volume, by the reference of the example; the others have the bundled one."""


@dataclass(frozen=True)
class Sheet:
    """What a picture is drawn on, and of: the unpacked example in ``folder``."""

    axes: tuple[Axes, ...]
    theme: Theme
    folder: Path

    def color(self, number: int) -> str:
        """Return the colour of a series."""
        return self.theme.dataset_color(number)

    def word(self, axes: Axes, x: float, y: float, text: str, color: str, **options: Any) -> None:
        """Write a word at a place of the axes, from 0 to 1."""
        axes.text(x, y, text, color=color, fontsize=FONT, transform=axes.transAxes, va="center", **options)


def numbers_of(name: str, claim: str) -> dict[str, Any]:
    """Return the numbers of the bundled claim whose sentence begins so."""
    told = json.loads((EXAMPLES / name / "claims.json").read_text("utf-8"))["claims"]
    return next(entry["ours"] for entry in told if entry["claim"].startswith(claim))


def volumes_and_energies(frames: list[Frame]) -> tuple[np.ndarray, np.ndarray]:
    """Return volumes and reference energies of one atom each (n,)."""
    rows = [(f.volume / f.n_atoms, f.energy / f.n_atoms) for f in frames if f.energy is not None]
    return np.array(rows)[:, 0], np.array(rows)[:, 1]


# the pictures -----------------------------------------------------------------------------------------
def equations_of_state(scan: str, runs: dict[str, str], sheet: Sheet) -> None:
    """Draw the reference as dots and each run (folder -> word) as a curve with its spread."""
    axes = sheet.axes[0]
    path = ROOT / "resources/data/si_dft/eos.extxyz" if scan == "" else sheet.folder / scan
    frames = list(read_dataset(str(path)).frames)
    volumes, reference = volumes_and_energies(frames)
    zero, dense = reference.min(), np.linspace(volumes[0], volumes[-1], 200)
    for k, (run, word) in enumerate(runs.items()):
        found = Potential.load(sheet.folder / "runs" / run).predict(frames, forces=False, stress=False)
        members = found.energy_members / found.n_atoms
        mean, spread = members.mean(axis=0) - zero, members.std(axis=0)
        curve, band = spline(volumes, mean, dense), spline(volumes, spread, dense)
        axes.fill_between(dense, curve - band, curve + band, color=sheet.color(k), alpha=0.2, lw=0)
        axes.plot(dense, curve, color=sheet.color(k), lw=2.5)
        sheet.word(axes, 1.03, 0.8 - 0.27 * k, word, sheet.color(k))
    axes.plot(volumes, reference - zero, "o", color=sheet.theme.reference, ms=5)
    sheet.word(axes, 1.03, 0.8 - 0.27 * len(runs), "reference", sheet.theme.reference)
    low = volumes[reference.argmin()]
    axes.set_xlim(max(0.935 * low, volumes[0] - 0.2), min(1.075 * low, volumes[-1] + 0.2))
    axes.set_ylim(-0.02, 0.06)


def islands(sheet: Sheet) -> None:
    """Draw the atoms of two slabs in G space, bulk and surface."""
    for axes, kelvin in zip(sheet.axes, ("100K", "1000K"), strict=True):
        run = sheet.folder / "runs" / f"{kelvin}-networks"
        values = RunFolder.open(run).training_values()
        regions = json.loads((sheet.folder / "session.json").read_text("utf-8"))["regions"][0]
        z = np.array(regions["frame"]["positions"])[:, 2]
        inner = np.abs(z - z.mean()) < 0.25 * np.ptp(z)
        is_bulk = np.resize(inner, len(values.values))
        spread = values.values - values.values.mean(axis=0)
        _, _, rows = np.linalg.svd(spread / np.maximum(spread.std(axis=0), 1e-3), full_matrices=False)
        xy = (spread / np.maximum(spread.std(axis=0), 1e-3)) @ rows[:2].T
        for chosen, color in ((~is_bulk, SURFACE), (is_bulk, BULK)):
            axes.plot(*xy[chosen][::3].T, ".", color=sheet.color(color), ms=2.5, alpha=0.6)
        sheet.word(axes, 0.98, 0.1, kelvin.replace("K", " K"), sheet.theme.text, ha="right")


def curves_of_training(sheet: Sheet) -> None:
    """Draw RMSE and mapping error of a training against its epochs."""
    records = RunFolder.open(sheet.folder / "runs" / "adam").read_history()
    axes = sheet.axes[0]
    epochs = [record.epoch for record in records]
    rmse = [record.valid["energy"]["mean"] for record in records]
    mapping = [max(abs(value) for value in record.mapping.values()) for record in records]
    for values, word, color, y in ((mapping, "mapping error", SURFACE, 0.72), (rmse, "RMSE", BULK, 0.18)):
        axes.loglog(epochs, values, color=sheet.color(color), lw=2.5)
        sheet.word(axes, 1.03, y, word, sheet.color(color))


def parity(sheet: Sheet) -> None:
    """Draw atomic energies of a nickel cluster against the exact ones."""
    path = next((sheet.folder / "data").rglob("ni140.extxyz"))
    frames = list(read_dataset(str(path)).frames)[::8]
    exact = np.concatenate([frame.exact_energies for frame in frames if frame.exact_energies is not None])
    found = Potential.load(sheet.folder / "runs" / "one-size-5A").predict(frames, forces=False, stress=False)
    axes, ends = sheet.axes[0], [exact.min(), exact.max()]
    axes.plot(exact, found.atomic_energies, ".", color=sheet.color(BULK), ms=2.5, alpha=0.5)
    axes.plot(ends, ends, color=sheet.theme.muted, lw=1.2)
    sheet.word(axes, 1.03, 0.62, "every atom", sheet.color(BULK))
    sheet.word(axes, 1.03, 0.36, "of nickel", sheet.color(BULK))


def connectivity(sheet: Sheet) -> None:
    """Draw the error of regions against their connectivity."""
    numbers = numbers_of("connectivity", "With a smooth part: the mapping error is small")
    axes = sheet.axes[0]
    x, y = numbers["connectivity"], numbers["larger_region_error_mev_per_atom"]
    axes.plot(x, y, color=sheet.theme.grid, lw=2, zorder=1)
    axes.scatter(x, y, c=numbers["temperatures_k"], cmap="plasma", vmin=-400.0, s=70, zorder=2)
    sheet.word(axes, 0.98, 0.84, "100 K to 1700 K", sheet.theme.muted, ha="right")


def bars(sheet: Sheet) -> None:
    """Draw surface energies of three slabs as bars."""
    networks = numbers_of("surface", "Networks as in the paper, trained on one")
    smooth = numbers_of("surface", "Networks over a smooth closed-form part, trained on one")
    rows = ((networks["reference_j_per_m2"], sheet.theme.reference, "reference"),
            (networks["j_per_m2"], sheet.color(BULK), "networks"),
            (smooth["j_per_m2"], sheet.color(SURFACE), "smooth part"))  # fmt: skip
    axes = sheet.axes[0]
    for k, (values, color, word) in enumerate(rows):
        axes.bar(np.arange(3) + 0.27 * (k - 1), values, 0.24, color=color)
        sheet.word(axes, 1.03, 0.8 - 0.27 * k, word, color)


PICTURES: dict[str, tuple[int, Callable[[Sheet], None]]] = {
    "heal": (1, partial(equations_of_state, SCAN, {"before": "before", "healed": "healed"})),
    "heal_dft": (1, partial(equations_of_state, "", {"before": "before", "healed": "3 frames more"})),
    "fig1": (1, partial(equations_of_state, "", {"nvt-networks": "NVT", "npt-networks": "NPT"})),
    "fig2": (2, islands),
    "fig3": (1, curves_of_training),
    "cluster": (1, parity),
    "connectivity": (1, connectivity),
    "surface": (1, bars),
}  # fmt: skip
"""Name -> how many plots, and what draws them."""


def drawn(name: str, theme: Theme, folder: Path) -> Image.Image:
    """Return the picture of an example."""
    from matplotlib.figure import Figure

    n, draw = PICTURES[name]
    figure = Figure(figsize=(SIZE[0] / DOTS, SIZE[1] / DOTS), dpi=DOTS, facecolor=theme.panel)
    right = 0.70 if n == 1 and name != "connectivity" else 0.97
    figure.subplots_adjust(left=0.03, right=right, bottom=0.05, top=0.95, wspace=0.08)
    axes = tuple(figure.add_subplot(1, n, k + 1, facecolor=theme.panel) for k in range(n))
    for one in axes:
        one.tick_params(which="both", bottom=False, left=False, labelbottom=False, labelleft=False)
        for side, spine in one.spines.items():
            spine.set_visible(side in ("bottom", "left"))
            spine.set_color(theme.muted)
    draw(Sheet(axes, theme, folder))
    for one in axes:
        one.tick_params(which="both", bottom=False, left=False, labelbottom=False, labelleft=False)
    data = io.BytesIO()
    figure.savefig(data, format="png", facecolor=theme.panel)
    return Image.open(data).convert("RGB")


def main() -> int:
    """Write both pictures of every card."""
    with tempfile.TemporaryDirectory() as kept:
        for name in PICTURES:
            unpack(Path(kept), name)
            for mode, theme in (("light", LIGHT), ("dark", DARK)):
                picture = drawn(name, theme, Path(kept) / name)
                picture.quantize(COLORS).save(EXAMPLES / f"{name}-{mode}.png", optimize=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
