"""The documentation in the window: the site's own pages, their links and their pictures."""

from __future__ import annotations

import ast
import inspect
import json
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest
from PySide6.QtCore import QUrl
from PySide6.QtGui import QImage, QTextDocument

from app.dialogs import documentation
from app.dialogs.documentation import Documentation, page_html
from app.look import theme
from nnpcore.installation import DOCS

PAGES = sorted(page.name for page in DOCS.glob("*.md"))


@pytest.fixture
def shown(window) -> Documentation:
    window.commands.run("help.documentation")
    return window.documentation


def links(page: str) -> list[str]:
    """Targets of a page's links and pictures that are files."""
    found = re.findall(r"\]\(([^)\s]+)\)", (DOCS / page).read_text(encoding="utf-8"))
    return [target.partition("#")[0] for target in found if "://" not in target]


def test_help_opens_the_contents_and_every_page_is_reached_from_them(shown) -> None:
    assert shown.isVisible() and shown.pages.source().fileName() == "index.md"
    assert set(PAGES) <= {"index.md", *links("index.md")}


@pytest.mark.parametrize("page", PAGES)
def test_page_shows_its_words_and_its_links_lead_to_files(shown, page: str) -> None:
    shown.pages.open(page)
    title = (DOCS / page).read_text(encoding="utf-8").splitlines()[0]
    text = shown.pages.toPlainText()
    assert title == f"# {text.splitlines()[0].strip()}"
    assert "toctree" not in text and "eval-rst" not in text
    assert all((DOCS / target).is_file() for target in links(page))


def test_a_link_leads_to_its_page_and_back(shown, monkeypatch: pytest.MonkeyPatch) -> None:
    shown.pages.anchorClicked.emit(QUrl("guide.md"))
    assert shown.pages.source().fileName() == "guide.md"
    shown.pages.backward()
    assert shown.pages.source().fileName() == "index.md"
    opened: list[str] = []
    monkeypatch.setattr(documentation.QDesktopServices, "openUrl", lambda url: opened.append(url.toString()))
    shown.pages.anchorClicked.emit(QUrl("notebook.ipynb"))
    assert Path(QUrl(opened[0]).toLocalFile()) == DOCS / "notebook.ipynb"
    assert shown.pages.source().fileName() == "index.md"


def test_pictures_fit_the_page(shown) -> None:
    url = QUrl.fromLocalFile(str(DOCS / "images" / "window-light.png"))
    image = shown.pages.loadResource(QTextDocument.ResourceType.ImageResource.value, url)
    assert isinstance(image, QImage) and image.width() == documentation.PICTURE_WIDTH


def test_page_follows_the_theme(shown, window) -> None:
    before = shown.pages.document().defaultStyleSheet()
    window.set_theme("light" if theme.current().dark else "dark")
    assert shown.pages.document().defaultStyleSheet() != before
    assert shown.pages.toPlainText().startswith("Eatlas")


def test_missing_page_says_so(shown) -> None:
    shown.pages.open("nothing.md")
    assert "this page is missing" in shown.pages.toPlainText()


def test_headings_are_linked_by_their_words() -> None:
    assert '<h2 id="files-and-roles">' in page_html("## Files and roles\n\n```{toctree}\nguide\n```\n")


PUBLIC = ("nnpcore", *re.findall(r"automodule:: (\S+)", (DOCS / "api.md").read_text(encoding="utf-8")))


def shown_code() -> Iterator[tuple[str, str]]:
    """Every page with a piece of Python in it: README, pages, and the notebook's cells as one piece."""
    for page in (DOCS.parent / "README.md", *DOCS.glob("*.md")):
        for code in re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL):
            yield page.name, code
    cells = json.loads((DOCS / "notebook.ipynb").read_text(encoding="utf-8"))["cells"]
    yield "notebook", "\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "code")


def test_what_is_shown_uses_public_names_alone() -> None:
    hidden = [
        f"{page}: {node.module}.{name.name}"
        for page, code in shown_code()
        for node in ast.walk(ast.parse(code))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("nnpcore")
        for name in node.names
        if node.module not in PUBLIC or name.name not in import_module(node.module).__all__
    ]
    assert hidden == []


@pytest.mark.parametrize("module", PUBLIC)
def test_public_names_are_there_with_a_word_on_each(module: str) -> None:
    room = import_module(module)
    assert set(room.__all__) <= set(dir(room))  # the site's builder sees what dir shows
    for name in room.__all__:
        value = getattr(room, name)
        assert not (inspect.isclass(value) or inspect.isfunction(value)) or inspect.getdoc(value), name
