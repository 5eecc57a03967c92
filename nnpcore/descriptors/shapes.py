"""How symmetry functions fall to zero with distance or angle: shapes, and the factors made of them.

A shape is a function of y that is 1 at y = 0 (``tanh3`` excepted) and 0 from y = 1 on. Cutoff functions have
y = (r - r_i)/(r_c - r_i) beyond the inner cutoff r_i and y = 0 within it; compact functions (Bircher,
Singraber and Dellago, Mach. Learn.: Sci. Technol. 2, 035026 (2021)) have y = |x - center|/width.
Chebyshev's polynomials times the cosine cutoff (Artrith, Urban and Ceder, Phys. Rev. B 96, 014112 (2017))
have y = r/r_c, the same polynomials of cosθ, which are cos nθ, y = θ/2π.
"""

from __future__ import annotations

from typing import NamedTuple

MOST_CHEBYSHEV = 40
"""Highest order of Chebyshev's polynomials."""

SHAPES = (
    "hard",
    "cosine",
    "tanh3",
    "tanh3_one",
    "exponential",
    "poly1",
    "poly2",
    "poly3",
    "poly4",
    "poly1a",
    "poly2a",
    "poly3a",
    "poly4a",
    *(f"chebyshev{n}" for n in range(MOST_CHEBYSHEV + 1)),
    *(f"wave{n}" for n in range(MOST_CHEBYSHEV + 1)),
)
"""All shapes; those that end with a are asymmetric: the same function of y (2 - y). ``chebyshev`` n is
T_n(2y - 1) times the cosine cutoff, ``wave`` n is cos(2πny)."""

FIRST_ASYMMETRIC = 9
"""Place of the first asymmetric shape; four before it is the one that it is made of."""

CUTOFF_FUNCTIONS = SHAPES[:FIRST_ASYMMETRIC]
"""Shapes of cutoff functions; the place is n2p2's ``cutoff_type``."""

FIRST_CHEBYSHEV = 13
FIRST_WAVE = FIRST_CHEBYSHEV + MOST_CHEBYSHEV + 1
"""Places of the shapes of order 0."""

COMPACT_SHAPES = SHAPES[4:FIRST_CHEBYSHEV]
"""Shapes of compact functions."""

WITHOUT_INNER = ("hard", "tanh3", "tanh3_one")
"""Cutoff functions for which an inner cutoff has no meaning."""


class DistanceFactor(NamedTuple):
    """``h(r) = exp(-η (r - r_s)²) f(y)``, what a function multiplies for every distance, zero from cutoff on.

    Attributes
    ----------
    eta, r_s : 1/Å², Å. shape : of ``SHAPES``.
    center, width : Å; ``y = (r - center)/width``, 0 for r < center unless ``two_sided``, when it is |y|.
    cutoff : Å. weighted : whether a neighbor's h is multiplied by its atomic number.
    """

    eta: float
    r_s: float
    shape: str
    center: float
    width: float
    two_sided: bool
    cutoff: float
    weighted: bool = False

    @property
    def plain(self) -> bool:
        """Whether it is ``exp(-η r²)`` times the cosine cutoff, which kernels compute eight at a time."""
        zero = self.r_s == 0 and self.center == 0
        return self.shape == "cosine" and zero and not self.two_sided and not self.weighted


class AngleFactor(NamedTuple):
    """What an angular function multiplies for every angle θ.

    ``2^(1-ζ) (1 + λ cosθ)^ζ`` where ``shape`` is empty, with ``first, second`` = ζ, λ; else
    ``f(|θ - first|/second)`` in radians.
    """

    first: float
    second: float
    shape: str = ""
