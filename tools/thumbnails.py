"""Make the small pictures of the welcome page from the figures of the paper's studies.

The dark ones are the light ones with their lightness turned around. The silicon example shows a picture of
the window instead of a figure.
"""

from __future__ import annotations

import sys
from pathlib import Path

from PIL import Image, ImageChops

ROOT = Path(__file__).resolve().parents[1]
PAPER = ROOT / "docs" / "images" / "paper"
FIGURES = {
    "fig1": "fig1",
    "fig2": "fig2_pca",
    "fig3": "fig3",
    "cluster": "cluster",
    "connectivity": "connectivity",
    "surface": "surface",
    "heal": "fig1_reason",
    "heal_dft": "fig1_rigidity",
}
SIZE = (520, 212)
COLORS = 48


def fitted(image: Image.Image) -> Image.Image:
    """Return a picture cut to the size of a card, from its upper middle."""
    scale = max(SIZE[0] / image.width, SIZE[1] / image.height)
    large = image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.LANCZOS)
    left, top = (large.width - SIZE[0]) // 2, (large.height - SIZE[1]) // 3
    return large.crop((left, top, left + SIZE[0], top + SIZE[1]))


def darkened(image: Image.Image) -> Image.Image:
    """Return a picture with white and black exchanged and its hues kept, on the dark panel's grey."""
    hue, saturation, _ = ImageChops.invert(image).convert("HSV").split()
    value = ImageChops.invert(image).convert("HSV").split()[2]
    turned = hue.point([(level + 128) % 256 for level in range(256)])
    dark = Image.merge("HSV", (turned, saturation, value)).convert("RGB")
    return ImageChops.lighter(dark, Image.new("RGB", dark.size, "#23272e"))


def main() -> int:
    """Write both pictures of every card; a picture of the window for silicon may be given."""
    target = ROOT / "resources" / "examples"
    sources = {name: PAPER / f"{figure}.png" for name, figure in FIGURES.items()}
    if len(sys.argv) > 1:
        sources["silicon"] = Path(sys.argv[1])
    for name, path in sources.items():
        with Image.open(path) as image:
            light = fitted(image.convert("RGB"))
        for mode, picture in (("light", light), ("dark", darkened(light))):
            picture.quantize(COLORS).save(target / f"{name}-{mode}.png", optimize=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
