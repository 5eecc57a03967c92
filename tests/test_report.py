"""The report of a run: one page that needs nothing else, the same as PDF, a sentence for what is missing."""

from __future__ import annotations

import base64
import io
import json
import re
import shutil
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from pypdf import PageObject, PdfReader

from nnpcore.analyses import MappingMonitor
from nnpcore.cli import main
from nnpcore.errors import RunFolderError, SettingsError
from nnpcore.figures.drawing import new_figure, plain
from nnpcore.mapping import Region, RegionSet, region_errors
from nnpcore.report.content import Code, Picture, Report, Section, Table, Text, number, sentence
from nnpcore.report.html import report_html
from nnpcore.report.pdf import report_pdf
from nnpcore.report.run_report import make_report, write_report
from nnpcore.structures import example_path, read_dataset
from nnpcore.structures.frame import Frame
from nnpcore.training import DescriptorSettings, RunFolder, Trainer, TrainSettings

TITLES = [
    "Settings",
    "Data",
    "Training curves",
    "Errors by group, outliers",
    "Equation of state",
    "Mapping errors by region",
    "Map of atoms (PCA)",
    "Distance to the training set",
    "Connectivity",
    "What the data determine",
    "Calibration",
    "All settings",
    "Versions",
    "Methods",
    "How to cite",
]
OF_FRAMES = "Errors by group, outliers"
NAME = "a <b> & $c$_{"


@pytest.fixture(scope="module")
def scan() -> list[Frame]:
    return list(read_dataset(str(example_path("eos"))).frames)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, scan: list[Frame]) -> Path:
    """Return a small run with monitored crystal and regions, its data beside it."""
    place = tmp_path_factory.mktemp("report") / NAME
    place.mkdir()
    data = place / "npt.extxyz"
    shutil.copy(example_path("npt"), data)
    frames = read_dataset(f"{data}@:10").frames
    energies = np.linspace(-107.2, -107.0, 64)
    atoms = np.arange(64)
    regions = RegionSet(
        frames[0],
        (
            Region("lower $x_", atoms[:32], 0, float(energies[:32].mean()), source="made up"),
            Region("upper", atoms[32:], 1),
        ),
    )
    settings = TrainSettings(
        epochs=3,
        n_members=2,
        hidden=(6, 6),
        stress_weight=1.0,
        n_threads=1,
        device="cpu",
        descriptors=DescriptorSettings(cutoff=4.0),
    )
    run = place / "run & <i>"
    trainer = Trainer(
        settings, frames[:7], frames[7:], run_folder=run, monitor=MappingMonitor(scan, [regions])
    )
    trainer.prepare()
    trainer.run()
    return run


@pytest.fixture(scope="module")
def report(folder: Path) -> Report:
    return make_report(folder, n_threads=1)


@pytest.fixture(scope="module")
def page(report: Report) -> str:
    return report_html(report)


class _Elements(HTMLParser):
    """Every tag with its attributes, and the text by the kind of tag around it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.texts: list[tuple[str, str]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append((self.open[-1] if self.open else "", data))

    def of(self, tag: str) -> list[str]:
        return [text for kind, text in self.texts if kind == tag and text.strip()]


def section_of(report: Report, title: str) -> Section:
    return next(s for s in report.sections if s.title == title)


def cells_of(report: Report, title: str) -> list[tuple[str, ...]]:
    return [row for b in section_of(report, title).blocks if isinstance(b, Table) for row in b.rows]


# what it says -----------------------------------------------------------------------------------------
def test_a_monitored_run_lacks_nothing(report: Report) -> None:
    assert [section.title for section in report.sections] == TITLES
    assert report.missing == []
    pictures = {s.title for s in report.sections if any(isinstance(b, Picture) for b in s.blocks)}
    assert pictures == {TITLES[2], *TITLES[4:11]}


def test_its_numbers_are_those_of_the_run(report: Report, folder: Path) -> None:
    from nnpcore import Potential
    from nnpcore.report.mapping_folder import map_run

    history = RunFolder.open(folder).read_history()
    best = [r for r in history if r.best][-1]
    rmses = {row[0]: row for row in cells_of(report, "Training curves")}
    assert float(rmses["energy (meV/atom)"][2]) == pytest.approx(best.valid["energy"]["mean"], rel=0.01)
    assert float(rmses["force (eV/Å)"][2]) == pytest.approx(best.valid["force"]["mean"], rel=0.01)
    monitor = MappingMonitor.load(folder)
    assert monitor is not None
    error = region_errors(Potential.load(folder), monitor.region_sets[0], n_threads=1)[0]
    region = cells_of(report, "Mapping errors by region")[0]
    assert region[:2] == ("lower $x_", "32") and region[-1] == "made up"
    assert error.error_mev is not None and float(region[4]) == pytest.approx(error.error_mev, abs=0.051)
    mapping = map_run(folder, monitor.crystals[""], n_threads=1)
    eos = {row[0]: row[1] for row in cells_of(report, "Equation of state")}
    assert float(eos["reference"]) == pytest.approx(20.59, abs=0.01)
    assert mapping.report.slope_error_gpa is not None
    slope = float(eos["Slope error at V0"].split()[0])
    assert slope == pytest.approx(mapping.report.slope_error_gpa, abs=0.006)
    assert report.level in ("right", "doubtful", "open", "wrong") and "RMSE" in report.verdict


def test_data_table_counts_what_the_files_hold(report: Report) -> None:
    assert cells_of(report, "Data") == [
        ("training", "npt.extxyz", "7", "Si64", "448", "7", "7", "7"),
        ("validation", "npt.extxyz", "3", "Si64", "192", "3", "3", "3"),
    ]


# HTML -------------------------------------------------------------------------------------------------
def test_page_needs_nothing_else(page: str, report: Report) -> None:
    found = _Elements(page)
    assert found.open == [] and page.startswith("<!DOCTYPE html>")
    assert not {"script", "link", "iframe", "object"} & {tag for tag, _ in found.tags}
    addresses = [v for _, attributes in found.tags for k, v in attributes.items() if k in ("src", "href")]
    assert addresses and all(v and v.startswith("data:image/svg+xml;base64,") for v in addresses)
    assert not re.search(r"https?://|url\(|@import", page)
    assert "prefers-color-scheme: dark" in page and "@media print" in page and "width=device-width" in page
    assert all(attributes.get("alt") for tag, attributes in found.tags if tag == "img")
    assert found.of("h1") == ["run & <i>"] and found.of("h2") == TITLES
    assert report.verdict in [text for text in found.of("p")]


def test_every_figure_is_whole_and_shows_something(page: str) -> None:
    images = re.findall(r'src="data:image/svg\+xml;base64,([^"]+)"', page)
    assert len(images) == 9  # eight sections, regions with a curve besides
    for image in images:
        svg = base64.b64decode(image).decode()
        assert svg.rstrip().endswith("</svg>") and svg.count("<path") + svg.count("<use") > 20
        assert "<text" not in svg  # letters as curves look the same where the fonts differ


# PDF --------------------------------------------------------------------------------------------------
def test_command_writes_a_pdf_of_a4_pages(
    folder: Path, tmp_path: Path, report: Report, capfd: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "new" / "report.PDF"
    words = ["report", str(folder), "-o", str(target), "--threads", "1", "--json"]
    assert main(words) == 0
    found = json.loads(capfd.readouterr().out)
    assert (found["file"], found["missing"], found["sections"]) == (str(target), [], TITLES)
    assert found["verdict"] == report.verdict
    content = target.read_bytes()
    assert content.startswith(b"%PDF") and content.rstrip().endswith(b"%%EOF")
    pages = PdfReader(target).pages
    boxes = [page.mediabox for page in pages]
    assert len(boxes) >= 4 and all(abs(b.width - 595) < 1 and abs(b.height - 842) < 1 for b in boxes)
    text = " ".join(" ".join(page.extract_text() for page in pages).split())
    assert report.verdict in text and all(title in text for title in TITLES)
    assert "Volume (Å3/atom)" in text.replace("³", "3")  # the figures' letters are text, too
    assert content.count(b"/Subtype /Image") <= 1  # figures are vectors, but for the connectivity's matrix
    assert [p.name for p in target.parent.iterdir()] == ["report.PDF"]
    assert main(words) == 1
    assert "there is such a file already" in json.loads(capfd.readouterr().out)["error"]["what"]
    assert target.read_bytes() == content


def test_pdf_keeps_every_line_on_the_page() -> None:
    rows = tuple((f"name {k} " + "long " * 12, f"{k}", "word" * 60) for k in range(40))
    many = Table(("Name", "Number", "Text"), rows, words=(0, 2), caption="A caption. " * 30)
    wide = new_figure(14.0, 2.0)
    wide.add_subplot().plot([1, 2], [3, 4])
    blocks = (Text("A $sentence_{ without formulas. " * 60), many, Text("unbroken" * 80), Picture(wide, ""))
    report = Report("run", "about", "verdict " * 40, "unknown", (("a", "1"),), (Section("One", blocks),))
    content = report_pdf(report)
    pages = PdfReader(io.BytesIO(content)).pages
    at: list[tuple[float, float]] = []

    def note(text: str, matrix: list[float], line: list[float], _font: object, _size: float) -> None:
        if text.strip():
            at.append((matrix[4] + matrix[0] * line[4], matrix[5] + matrix[3] * line[5]))

    for page in pages:
        page.extract_text(visitor_text=note)
    assert len(pages) > 4 and len(at) > 300
    assert min(y for _, y in at) > 30 and max(y for _, y in at) < 842 - 57
    assert min(x for x, _ in at) > 57 and max(x for x, _ in at) < 595 - 57


def lines_of(page: PageObject) -> list[tuple[str, float]]:
    """Return texts and their heights on a page, points from below, without the footer."""
    found: list[tuple[str, float]] = []

    def note(text: str, matrix: list[float], line: list[float], _font: object, _size: float) -> None:
        y = matrix[5] + matrix[3] * line[5]
        if text.strip() and y > 60:
            found.append((text, y))

    page.extract_text(visitor_text=note)
    return found


def test_no_heading_stands_alone_and_no_page_is_half_empty() -> None:
    random = np.random.default_rng(3)
    for _ in range(4):
        sections = []
        for k in range(12):
            height = float(random.uniform(1.5, 4.5))
            figure = new_figure(5.0, height)
            figure.add_subplot().plot([1, 2], [3, 4])
            rows = tuple((f"row {r}", "1") for r in range(int(random.integers(2, 14))))
            blocks = [Text("Some words. " * int(random.integers(1, 60))), Picture(figure, "", "A caption."),
                      Table(("Name", "Number"), rows)]  # fmt: skip
            chosen = random.permutation(len(blocks))[: int(random.integers(1, 4))]
            sections.append(Section(f"Heading {k}", tuple(blocks[c] for c in sorted(chosen))))
        report = Report("run", "about", "verdict", "unknown", (("a", "1"),), tuple(sections))
        pages = PdfReader(io.BytesIO(report_pdf(report))).pages
        lowest = []
        for lines in map(lines_of, pages):
            lowest.append(min(y for _, y in lines))
            for text, y in lines:
                assert "Heading" not in text or y > lowest[-1] + 20, f"{text} is the last on its page"
        assert max(lowest[:-1]) < 842 * 0.5, "a page is half empty"


def test_a_figure_without_room_follows_the_table_of_its_section() -> None:
    figure = new_figure(5.0, 4.0)
    figure.add_subplot().plot([1, 2], [3, 4])
    table = Table(("Name", "Number"), (("first", "1"), ("second", "2")))
    before = Section("Before", (Text("Some words. " * 200),))
    after = Section("After", (Picture(figure, "", "A caption."), table))
    report = Report("run", "about", "verdict", "unknown", (("a", "1"),), (before, after))
    pages = [page.extract_text() for page in PdfReader(io.BytesIO(report_pdf(report))).pages]
    assert len(pages) == 2 and "After" in pages[0] and "second" in pages[0] and "A caption." in pages[1]


def test_short_lines_stand_side_by_side() -> None:
    code = Code("\n".join(f"setting_{k} = {k}" for k in range(61)))
    report = Report("run", "about", "verdict", "unknown", (("a", "1"),), (Section("All settings", (code,)),))
    (page,) = PdfReader(io.BytesIO(report_pdf(report))).pages
    heights = {round(y, 1) for text, y in lines_of(page) if text.startswith("setting_")}
    assert len(heights) == 21 and all(f"setting_{k} = {k}" in page.extract_text() for k in range(61))


# what is missing --------------------------------------------------------------------------------------
def test_gone_data_and_damaged_monitor_are_said(folder: Path, tmp_path: Path) -> None:
    run = tmp_path / "moved"
    shutil.copytree(folder, run)
    document = json.loads((run / "data.json").read_text())
    for source in document["sources"]:
        source["path"] = str(tmp_path / "nowhere.extxyz")
    (run / "data.json").write_text(json.dumps(document))
    (run / "monitor.json").write_text("{")
    report = make_report(run, n_threads=1)
    assert [s.title for s in report.sections] == [t for t in TITLES if t != OF_FRAMES]
    assert cells_of(report, "Data")[0] == ("training", "nowhere.extxyz", "7", "–", "–", "–", "–", "–")
    missing = "\n".join(report.missing)
    assert "training data of this run are gone" in missing
    assert "There is no volume scan" in missing and "onitor.json: it cannot be read" in missing
    assert "There is no foretold spread" in missing
    assert any(isinstance(b, Picture) for b in section_of(report, "Connectivity").blocks)  # still known
    assert report.level == "unknown"
    report_html(report)


def test_imported_run_without_data(folder: Path, tmp_path: Path, scan: list[Frame]) -> None:
    from nnpcore.exchange import export_as, import_run

    export_as(folder, tmp_path / "n2p2", "n2p2")
    imported = import_run(tmp_path / "n2p2", tmp_path / "run", n_threads=1).folder.path
    bare = make_report(imported, n_threads=1)
    assert [s.title for s in bare.sections] == [t for t in TITLES if t not in ("All settings", OF_FRAMES)]
    assert not any(isinstance(b, Picture) for s in bare.sections for b in s.blocks)
    assert len(bare.missing) == 11 and "imported without its training data" in bare.missing[1]
    report_pdf(bare)
    frame = RunFolder.open(folder).find_frames()["training"][0]
    halves = (Region("bulk", np.arange(32)), Region("surface", np.arange(32, 64)))
    known = make_report(imported, eos=scan, regions=[RegionSet(frame, halves)], n_threads=1)
    assert any(isinstance(b, Picture) for b in section_of(known, "Equation of state").blocks)
    assert "Imported from n2p2" in known.about
    bulk, surface = cells_of(known, "Mapping errors by region")  # the crystal tells what their atoms cost
    assert float(bulk[2]) == pytest.approx(min(f.energy / f.n_atoms for f in scan if f.energy), abs=0.01)
    assert 32 * (float(bulk[2]) + float(surface[2])) == pytest.approx(frame.energy, abs=0.01)


def test_a_wrong_crystal_and_foreign_regions_are_said_in_their_place(
    folder: Path, scan: list[Frame], tmp_path: Path
) -> None:
    from ase.build import bulk

    broken = [replace(f, positions=f.positions + 0.1 * np.eye(f.n_atoms, 3)) for f in scan]
    copper = Frame.from_atoms(bulk("Cu", cubic=True))
    regions = RegionSet(copper, (Region("all", np.arange(4), 0, -3.5),), "copper")
    report = make_report(folder, eos=broken, regions=[regions], n_threads=1)
    eos, errors = (section_of(report, title) for title in TITLES[4:6])
    assert len(eos.blocks) == 1 and len(eos.missing) == 1
    assert "Cu" in errors.missing[0]
    assert any(isinstance(b, Picture) for b in section_of(report, "Map of atoms (PCA)").blocks)
    assert report_html(report)


@pytest.mark.parametrize("name", ["report.htm", "report", "report.html.txt"])
def test_unknown_suffix(folder: Path, tmp_path: Path, name: str) -> None:
    with pytest.raises(SettingsError, match=r"Use \.html or \.pdf"):
        write_report(folder, tmp_path / name)


def test_bad_paths(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "x.html").mkdir()
    with pytest.raises(SettingsError, match="this is a folder"):
        write_report(folder, tmp_path / "x.html")
    with pytest.raises(RunFolderError, match="no such folder"):
        write_report(tmp_path / "nothing", tmp_path / "y.html")
    (tmp_path / "file").write_text("")
    shutil.copytree(folder, tmp_path / "run")
    shutil.rmtree(tmp_path / "run" / "potential")
    with pytest.raises(RunFolderError, match="no potential yet"):
        write_report(tmp_path / "run", tmp_path / "y.html")
    with pytest.raises(RunFolderError, match="a part of this path is a file"):
        write_report(folder, tmp_path / "file" / "deep" / "y.html")
    assert not list(tmp_path.glob("*y.html*"))


def test_numbers_and_sentences() -> None:
    assert number(-0.004, 2) == "0.00" and number(None) == "–" and number(float("nan")) == "–"
    assert number(1.25, 1, sign=True, unit="GPa") == "+1.2 GPa"
    assert plain("$a$") == r"\$a\$" and len(plain("x" * 99)) == 28 and plain("a" * 50 + "7")[-1] == "7"
    assert sentence("it is gone") == "It is gone." and sentence("") == ""
