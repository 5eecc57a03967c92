"""The paper, figure by figure: one study a claim, each run by one command.

A study is a module ``nnpcore.paper.study_NAME`` with ``run(context: StudyContext) -> StudyOutcome``. It is
listed in ``running.STUDIES`` and loaded when it is run.
"""

from nnpcore.paper.claims import Claim
from nnpcore.paper.context import StudyContext, StudyOutcome, TrainedRun
from nnpcore.paper.running import STUDIES, PaperResult, Study, names_of, run_studies, run_study, titles

__all__ = [
    "STUDIES",
    "Claim",
    "PaperResult",
    "Study",
    "StudyContext",
    "StudyOutcome",
    "TrainedRun",
    "names_of",
    "run_studies",
    "run_study",
    "titles",
]
