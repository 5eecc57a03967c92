"""Every analysis there is, once; a new one is added to this list."""

from __future__ import annotations

from nnpcore.analyses.all_frames import ALL_FRAMES
from nnpcore.analyses.atoms import ATOMS, ELEMENT
from nnpcore.analyses.calibration import CALIBRATION
from nnpcore.analyses.connectivity import CONNECTIVITY
from nnpcore.analyses.crystal import FINE, POINTS, REFERENCE
from nnpcore.analyses.distance import DISTANCE, REACH
from nnpcore.analyses.eos import CURVE, EOS, FINE_CURVE, SLOPES
from nnpcore.analyses.errors import OUTLIERS, RUN_ERRORS
from nnpcore.analyses.foretold import DATA_POSTERIOR, FORETOLD, FRAME_FORETOLD
from nnpcore.analyses.graph import Analysis
from nnpcore.analyses.parity import PARITY
from nnpcore.analyses.pca import MAP_DISTANCES, MAP_ENERGIES, PCA
from nnpcore.analyses.prediction import PREDICTION
from nnpcore.analyses.radial import RADIAL
from nnpcore.analyses.regions import REFERENCES, REGION_ATOMS, REGION_ERRORS
from nnpcore.analyses.verdict import VERDICT

__all__ = [
    "ALL_FRAMES", "ANALYSES", "ATOMS", "CALIBRATION", "CONNECTIVITY", "CURVE", "DATA_POSTERIOR", "DISTANCE",
    "ELEMENT", "EOS", "FINE", "FINE_CURVE", "FORETOLD", "FRAME_FORETOLD", "MAP_DISTANCES", "MAP_ENERGIES",
    "OUTLIERS", "PARITY", "PCA", "POINTS",
    "PREDICTION", "RADIAL", "REACH", "REFERENCE", "REFERENCES", "REGION_ATOMS", "REGION_ERRORS",
    "RUN_ERRORS", "SLOPES", "VERDICT",
]  # fmt: skip

ANALYSES: tuple[Analysis[object], ...] = (
    POINTS,
    REFERENCE,
    FINE,
    REACH,
    DISTANCE,
    PREDICTION,
    ALL_FRAMES,
    CURVE,
    FINE_CURVE,
    SLOPES,
    EOS,
    REFERENCES,
    REGION_ATOMS,
    REGION_ERRORS,
    DATA_POSTERIOR,
    FORETOLD,
    VERDICT,
    ATOMS,
    ELEMENT,
    PCA,
    MAP_ENERGIES,
    MAP_DISTANCES,
    CONNECTIVITY,
    PARITY,
    CALIBRATION,
    FRAME_FORETOLD,
    RUN_ERRORS,
    OUTLIERS,
    RADIAL,
)
