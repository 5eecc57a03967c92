"""Keep what the examples have made as examples that open at once.

``python tools/bundle_examples.py FOLDER [NAME ...]``: examples with a tour (``resources/tours.toml``), or
those named, are run in FOLDER in their quick size where they were not yet, and the runs which the tour names
are kept: settings, record, history and potential. The descriptors of the training atoms are worked out when
the example is opened. Checkpoints are not kept: whoever wants to train on runs the example again.
"""

from __future__ import annotations

import gzip
import json
import shutil
import sys
from pathlib import Path

from app.documents.tour import tours
from app.workers.example_sessions import BUNDLED, DATA_PLACE, PLACE, run_example, session_path
from nnpcore.cure.example import NAMES as CURES
from nnpcore.installation import RESOURCES
from nnpcore.progress import Progress

KEPT = ("settings.toml", "data.json", "history.csv", "monitor.json", "potential")


def bundle(studies: Path, name: str, target: Path) -> int:
    """Copy one study; return the bytes it takes."""
    session = json.loads(session_path(studies, name).read_text("utf-8"))
    wanted = {run for step in tours()[name] for run in (step.run, *step.compared) if run}
    session["runs"] = [run for run in session["runs"] if Path(run).name in wanted]
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    for run in session["runs"]:
        for part in KEPT:
            source, copy = Path(run) / part, target / "runs" / Path(run).name / part
            copy.parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, copy)
            elif source.is_file():
                shutil.copy(source, copy)
    if (studies / name / "claims.json").is_file():  # else the session has its own
        shutil.copy(studies / name / "claims.json", target)
    places = {str(RESOURCES / "data"): DATA_PLACE}
    places |= {run: f"{PLACE}/runs/{Path(run).name}" for run in session["runs"]}
    used = {step.data for step in tours()[name]}
    records = "".join(path.read_text("utf-8") for path in target.rglob("data.json"))
    records += json.dumps(session.get("regions", []))
    session["data"] = [d for d in session["data"] if d["path"] in records or Path(d["path"]).name in used]
    for entry in session["data"]:
        path = Path(entry["path"])
        if studies in path.parents:
            copy = target / "data" / path.parent.name / path.name
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.with_name(f"{copy.name}.gz").write_bytes(gzip.compress(path.read_bytes(), mtime=0))
            places[str(path)] = f"{PLACE}/data/{path.parent.name}/{path.name}"
    (target / "session.json").write_text(json.dumps(session, indent=1), "utf-8")
    for path in target.rglob("*.json"):
        text = path.read_text("utf-8")
        for place, sign in sorted(places.items(), key=lambda pair: -len(pair[0])):
            text = text.replace(place, sign)
        path.write_text(text, "utf-8")
    return sum(path.stat().st_size for path in target.rglob("*") if path.is_file())


def main() -> int:
    """Make and bundle every example that has a tour, or those named."""
    studies = Path(sys.argv[1]).absolute()
    for name in sorted(sys.argv[2:] or tours(), key=CURES.__contains__):  # studies want a folder of their own
        if not session_path(studies, name).is_file():
            run_example(name, studies, True, 1, Progress())
        print(name, f"{bundle(studies, name, BUNDLED / name) / 1e6:.2f} MB", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
