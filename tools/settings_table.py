"""Writes the table of a training's settings into the guide, from where they are declared.

Run at the project's top: ``python tools/settings_table.py``; a test says when the guide is behind.
"""

from __future__ import annotations

from pathlib import Path

from nnpcore.training import TrainSettings
from nnpcore.training.declared import Declaration, declarations

GUIDE = Path(__file__).parents[1] / "docs" / "guide.md"
BEGIN, END = "<!-- settings: made by tools/settings_table.py -->", "<!-- end of settings -->"


def table() -> str:
    """Return the table in Markdown."""
    rows = ["| setting | default | allowed | option | what it is |", "|---|---|---|---|---|"]
    for one in declarations(TrainSettings):
        empty = one.setting.shown.empty if one.setting.shown else ""
        default = one.text(one.default, "-") or empty or "automatic"
        text = one.setting.meaning[:1].upper() + one.setting.meaning[1:]
        rows.append(f"| `{one.path}` | {default} | {_allowed(one)} | {_option(one)} | {text} |")
    return "\n".join(rows)


def _allowed(one: Declaration) -> str:
    setting = one.setting
    if setting.choices:
        return ", ".join(f"`{value}`" for value in setting.choices) + (" …" if setting.open else "")
    if one.type is str:
        return ""
    unit = f" {setting.unit}" if setting.unit else ""
    return f"{setting.low:g} to {setting.high:,.12g}{unit}"


def _option(one: Declaration) -> str:
    return f"`{one.flag}`" if one.setting.option else ""


def with_table(guide: str) -> str:
    """Return the guide's text with the table as it should be."""
    before, _, rest = guide.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{table()}\n\n{END}{after}"


if __name__ == "__main__":
    GUIDE.write_text(with_table(GUIDE.read_text(encoding="utf-8")), encoding="utf-8")
