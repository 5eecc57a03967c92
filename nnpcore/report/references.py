"""What a training rests on, with its source: entries that an article can cite."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Reference:
    """A published source.

    Attributes
    ----------
    key : by which LaTeX cites it.
    kind : of BibTeX, such as "article".
    fields : of BibTeX, by name.
    """

    key: str
    kind: str
    fields: dict[str, str]

    @property
    def bibtex(self) -> str:
        """The entry for a .bib file."""
        lines = [f"  {name} = {{{value}}}," for name, value in self.fields.items()]
        return "\n".join([f"@{self.kind}{{{self.key},", *lines, "}"])

    @property
    def text(self) -> str:
        """The entry as a line of a list of references."""
        fields = self.fields
        authors = fields["author"].replace(" and others", " et al.").replace(" and ", "; ")
        place = " ".join(fields[name] for name in ("journal", "volume", "publisher") if name in fields)
        pages = f", {fields['pages']}" if "pages" in fields else ""
        found = f", doi:{fields['doi']}" if "doi" in fields else ""
        found = found or (f", arXiv:{fields['eprint']}" if "eprint" in fields else "")
        where = f"{place}{pages} ({fields['year']})" if place else fields["year"]
        return f"{authors}, {fields['title']}, {where}{found}"


def _article(
    key: str, author: str, title: str, journal: str, volume: str, pages: str, year: str, doi: str
) -> Reference:
    fields = {"author": author, "title": title, "journal": journal, "volume": volume, "pages": pages}
    return Reference(key, "article", fields | {"year": year, "doi": doi})


NETWORKS = _article(
    "behler2007", "Behler, J. and Parrinello, M.",
    "Generalized neural-network representation of high-dimensional potential-energy surfaces",
    "Physical Review Letters", "98", "146401", "2007", "10.1103/PhysRevLett.98.146401",
)  # fmt: skip
SYMMETRY_FUNCTIONS = _article(
    "behler2011", "Behler, J.",
    "Atom-centered symmetry functions for constructing high-dimensional neural network potentials",
    "The Journal of Chemical Physics", "134", "074106", "2011", "10.1063/1.3553717",
)  # fmt: skip
CHOICE = _article(
    "imbalzano2018", "Imbalzano, G. and Anelli, A. and Giofr{\\'e}, D. and Klees, S. and Behler, J. and "
    "Ceriotti, M.",
    "Automatic selection of atomic fingerprints and reference configurations for machine-learning potentials",
    "The Journal of Chemical Physics", "148", "241730", "2018", "10.1063/1.5024611",
)  # fmt: skip
KALMAN = _article(
    "blank1994", "Blank, T. B. and Brown, S. D.",
    "Adaptive, global, extended Kalman filters for training feedforward neural networks",
    "Journal of Chemometrics", "8", "391--407", "1994", "10.1002/cem.1180080605",
)  # fmt: skip
KALMAN_OF_FORCES = _article(
    "singraber2019", "Singraber, A. and Morawietz, T. and Behler, J. and Dellago, C.",
    "Parallel multistream training of high-dimensional neural network potentials",
    "Journal of Chemical Theory and Computation", "15", "3075--3092", "2019", "10.1021/acs.jctc.8b01092",
)  # fmt: skip
ADAM = Reference("kingma2015", "misc", {
    "author": "Kingma, D. P. and Ba, J.", "title": "Adam: a method for stochastic optimization",
    "year": "2015", "eprint": "1412.6980", "archivePrefix": "arXiv",
})  # fmt: skip
LBFGS = _article(
    "liu1989", "Liu, D. C. and Nocedal, J.",
    "On the limited memory BFGS method for large scale optimization",
    "Mathematical Programming", "45", "503--528", "1989", "10.1007/BF01589116",
)  # fmt: skip
SHORT_RANGE = Reference("ziegler1985", "book", {
    "author": "Ziegler, J. F. and Biersack, J. P. and Littmark, U.",
    "title": "The Stopping and Range of Ions in Solids", "publisher": "Pergamon", "year": "1985",
})  # fmt: skip
EMBEDDING = _article(
    "daw1984", "Daw, M. S. and Baskes, M. I.",
    "Embedded-atom method: derivation and application to impurities, surfaces, and other defects in metals",
    "Physical Review B", "29", "6443--6453", "1984", "10.1103/PhysRevB.29.6443",
)  # fmt: skip
PROCESS = _article(
    "bartok2015", "Bart{\\'o}k, A. P. and Cs{\\'a}nyi, G.",
    "Gaussian approximation potentials: a brief tutorial introduction",
    "International Journal of Quantum Chemistry", "115", "1051--1057", "2015", "10.1002/qua.24927",
)  # fmt: skip
MAPPING = _article(
    "yoo2019", "Yoo, D. and Lee, K. and Jeong, W. and Lee, D. and Watanabe, S. and Han, S.",
    "Atomic energy mapping of neural network potential",
    "Physical Review Materials", "3", "093802", "2019", "10.1103/PhysRevMaterials.3.093802",
)  # fmt: skip
STRUCTURES = _article(
    "larsen2017", "Larsen, A. H. and others",
    "The atomic simulation environment -- a Python library for working with atoms",
    "Journal of Physics: Condensed Matter", "29", "273002", "2017", "10.1088/1361-648X/aa680e",
)  # fmt: skip


def eatlas(version: str) -> Reference:
    """Return the entry of the program itself in this version."""
    title = "Eatlas: atomic energy maps of neural network potentials"
    fields = {"author": "{Eatlas contributors}", "title": title, "year": "2026"}
    return Reference("eatlas", "misc", fields | {"note": f"Version {version}"})
