"""The colours of the light and the dark look, and the palette Qt makes of them."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtGui import QColor, QPalette

from nnpcore.figures.drawing import OKABE_ITO, PAPER

_OKABE_ITO_DARK = ("#56B4E9", "#F08A4B", "#2CC39A", "#E39AC2", "#E6B23C", "#7FA8FF", "#F0E442")


@dataclass(frozen=True)
class Theme:
    """Colours of one appearance, as ``#rrggbb`` (good for Qt, pyqtgraph and matplotlib alike).

    Attributes
    ----------
    background : behind everything (window, toolbars, dock titles).
    panel : behind a panel's content and behind plots and the viewer.
    field : behind text fields, lists and tables.
    text, muted : main and secondary text; muted also plot axes.
    grid : hairlines in plots. border : lines between things. groove : of a slider.
    accent, on_accent : the one accent colour and text on it.
    reference : reference data in plots (black or white).
    okabe_ito : series colours told apart by colour-blind people, tuned to the background.
    """

    dark: bool
    background: str
    panel: str
    field: str
    text: str
    muted: str
    grid: str
    border: str
    groove: str
    hover: str
    selected: str
    accent: str
    on_accent: str
    reference: str
    good: str
    warning: str
    error: str
    okabe_ito: tuple[str, ...]

    def dataset_color(self, index: int) -> str:
        """Return the colour of the data set with this ``color_index``, the same in every panel."""
        return self.okabe_ito[index % len(self.okabe_ito)]


LIGHT = Theme(
    dark=False,
    background="#eef0f3",
    panel="#ffffff",
    field="#ffffff",
    text=PAPER["text"],
    muted=PAPER["muted"],
    grid="#e4e7eb",
    border="#d3d7dd",
    groove="#8a93a0",
    hover="#e2e6ec",
    selected="#eef2fd",
    accent="#3457d5",
    on_accent="#ffffff",
    reference=PAPER["reference"],
    good="#1a7f4b",
    warning="#a86400",
    error="#c0342b",
    okabe_ito=OKABE_ITO,
)
DARK = Theme(
    dark=True,
    background="#1b1e23",
    panel="#23272e",
    field="#1e2127",
    text="#e4e7eb",
    muted="#98a1ae",
    grid="#343a43",
    border="#3a404a",
    groove="#76808e",
    hover="#323841",
    selected="#2a3142",
    accent="#7c9cff",
    on_accent="#10141c",
    reference="#ffffff",
    good="#4cc38a",
    warning="#f0b04f",
    error="#ff7b72",
    okabe_ito=_OKABE_ITO_DARK,
)


def palette(theme: Theme) -> QPalette:
    """Return the Qt palette of a theme."""
    role = QPalette.ColorRole
    colors = {
        role.Window: theme.background,
        role.WindowText: theme.text,
        role.Base: theme.field,
        role.AlternateBase: theme.background,
        role.Text: theme.text,
        role.PlaceholderText: theme.muted,
        role.Button: theme.panel,
        role.ButtonText: theme.text,
        role.BrightText: theme.error,
        role.ToolTipBase: theme.panel,
        role.ToolTipText: theme.text,
        role.Highlight: theme.accent,
        role.HighlightedText: theme.on_accent,
        role.Link: theme.accent,
        role.LinkVisited: theme.accent,
        role.Light: theme.panel,
        role.Midlight: theme.hover,
        role.Mid: theme.border,
        role.Dark: theme.border,
        role.Shadow: "#000000" if theme.dark else "#8a919c",
    }
    result = QPalette()
    for name, color in colors.items():
        result.setColor(name, QColor(color))
    accent = getattr(role, "Accent", None)
    if accent is not None:
        result.setColor(accent, QColor(theme.accent))
    faded = QColor(theme.muted)
    faded.setAlpha(140)
    for name in (role.WindowText, role.Text, role.ButtonText):
        result.setColor(QPalette.ColorGroup.Disabled, name, faded)
    result.setColor(QPalette.ColorGroup.Disabled, role.Highlight, QColor(theme.border))
    return result
