"""The documentation in the window: the same pages as the site's, without a browser or a network."""

from __future__ import annotations

import html
import re
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING

from PySide6.QtCore import QSize, Qt, QUrl
from PySide6.QtGui import QDesktopServices, QImage, QTextDocument
from PySide6.QtWidgets import QDialog, QHBoxLayout, QPushButton, QTextBrowser, QVBoxLayout, QWidget

from app.look import theme
from nnpcore.errors import EatlasError
from nnpcore.installation import DOCS, RESOURCES

if TYPE_CHECKING:
    from markdown_it.token import Token

FIRST = "index.md"
PICTURE_WIDTH = 760
MARGIN = 24


def page_html(markdown: str) -> str:
    """Return a page as the HTML that Qt draws; what is for the site's builder alone is left out."""
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark").enable("table")
    tokens = [t for t in parser.parse(markdown) if not (t.type == "fence" and t.info.startswith("{"))]
    for heading, words in pairwise(tokens):
        if heading.type == "heading_open":
            heading.attrSet("id", _anchor(words))
    return parser.renderer.render(tokens, parser.options, {})


def _anchor(heading: Token) -> str:
    """Return the name a heading is linked to by, as on the site."""
    return re.sub(r"[^\w\- ]", "", heading.content.lower()).replace(" ", "-")


class Pages(QTextBrowser):
    """Shows the pages in the theme's colors and follows the links between them."""

    def __init__(self, folder: Path, parent: QWidget) -> None:
        super().__init__(parent)
        self.folder = folder
        self.setOpenLinks(False)
        self.anchorClicked.connect(self._follow)
        self.document().setDocumentMargin(MARGIN)
        self.restyle()
        theme.signals().changed.connect(self.restyle)

    def restyle(self) -> None:
        """Draw the page anew in the colors of now."""
        sheet = Template((RESOURCES / "documentation.css").read_text("utf-8"))
        self.document().setDefaultStyleSheet(sheet.substitute(asdict(theme.current())))
        if self.source().isValid():
            self.reload()

    def open(self, name: str, anchor: str = "") -> None:
        """Show a page by its file's name, at a heading where one is given."""
        self._show(QUrl.fromLocalFile(str(self.folder / name)))
        if anchor:
            self.scrollToAnchor(anchor)

    def _show(self, page: QUrl) -> None:
        self.setSource(page, QTextDocument.ResourceType.HtmlResource)  # whatever its ending lets Qt guess

    def loadResource(self, type: int, name: QUrl | str) -> object:
        """Return a page's HTML, or a picture no wider than the text."""
        path = Path(QUrl(name).toLocalFile())
        if type == QTextDocument.ResourceType.ImageResource.value:
            image = QImage(str(path))
            fitted = image.size().scaled(QSize(PICTURE_WIDTH, 10_000), Qt.AspectRatioMode.KeepAspectRatio)
            wide = image.width() > PICTURE_WIDTH
            return image.scaled(fitted, mode=Qt.TransformationMode.SmoothTransformation) if wide else image
        try:
            return page_html(path.read_text(encoding="utf-8"))
        except OSError as error:
            return (
                f"<p>{html.escape(str(EatlasError('this page is missing', where=str(error.filename))))}</p>"
            )

    def _follow(self, link: QUrl) -> None:
        target = self.source().resolved(link)
        if target.isLocalFile() and target.path().endswith(".md"):
            self._show(target)
        else:
            QDesktopServices.openUrl(target)


class Documentation(QDialog):
    """A window of its own beside the main one."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle("Documentation")
        self.pages = Pages(DOCS, self)
        row = QHBoxLayout()
        for title, run, available in (
            ("Back", self.pages.backward, self.pages.backwardAvailable),
            ("Forward", self.pages.forward, self.pages.forwardAvailable),
        ):
            button = QPushButton(title, self)
            button.setEnabled(False)
            button.clicked.connect(run)
            available.connect(button.setEnabled)
            row.addWidget(button)
        contents = QPushButton("Contents", self)
        contents.clicked.connect(lambda: self.pages.open(FIRST))
        row.addWidget(contents)
        row.addStretch(1)
        column = QVBoxLayout(self)
        column.addLayout(row)
        column.addWidget(self.pages)
        self.resize(880, 860)
        self.pages.open(FIRST)
