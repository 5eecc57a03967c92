"""The arguments and options that commands take, each with its help."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

TrainData = Annotated[list[str] | None, Argument(metavar="DATA...", help="Files to train on.")]
FileOrRun = Annotated[
    str,
    Argument(
        metavar="FILE_OR_RUN",
        help="A file ASE can read (file.xyz@::10 is a slice), or the folder of a training.",
    ),
]
RunFolder = Annotated[Path, Argument(metavar="RUN", help="Folder of a training.")]

StudyName = Annotated[
    str,
    Argument(
        metavar="NAME",
        help="all, or one of fig1, fig2, fig3, spline, cluster, connectivity, surface, smooth, "
        "optimizer, regularization, foretold.",
    ),
]
Docs = Annotated[Path | None, Option(metavar="DIR", help="Write DIR/paper.md and its images, too.")]
Networks = Annotated[
    str, Option(metavar="VERSION", help="Networks of which version: default, or 0.2.0 to compare with.")
]
ResumeStudies = Annotated[bool, Option("--resume", help="Go on where a run of the same studies has ended.")]
Quick = Annotated[bool, Option("--quick", help="Small settings: the effect, not the best numbers.")]

RunOrFiles = Annotated[
    list[str] | None, Argument(metavar="[RUN] DATA...", help="Folder of a training, then files ASE can read.")
]
MapRun = Annotated[Path | None, Argument(metavar="RUN", help="Folder of a training; none with --calculator.")]
PredictOutput = Annotated[
    Path, Option("-o", "--output", metavar="FILE", help="File to write: .extxyz, .xyz or .traj.")
]
Calculators = Annotated[
    list[str] | None,
    Option("--calculator", metavar="MODULE:NAME", help="ASE calculator, such as ase.calculators.emt:EMT."),
]
CalculatorArguments = Annotated[
    list[str] | None,
    Option("--arguments", metavar="JSON", help="Its arguments; the n-th belong to the n-th calculator."),
]
CalculatorPython = Annotated[
    list[str] | None,
    Option(
        "--python",
        metavar="PATH",
        help="Python of an environment that has the calculator; one for all, or the n-th for the n-th.",
    ),
]
PropertyRuns = Annotated[
    list[Path] | None, Argument(metavar="[RUN...]", help="Folders of trainings, to be studied side by side.")
]
PropertyStructure = Annotated[
    str | None,
    Option(
        "--structure", metavar="FILE", help="The crystal (default: the training data's lowest in energy)."
    ),
]
PropertyReference = Annotated[
    str | None,
    Option(
        "--reference",
        metavar="CALC_OR_FILE",
        help="Compare with a calculator (stillinger-weber, cleri-rosato, MODULE:NAME), or with numbers: "
        'properties.json, or JSON such as {"c11": 151.4}.',
    ),
]
PropertyParts = Annotated[
    str | None,
    Option(
        "--only",
        metavar="PARTS",
        help="lattice, eos, elastic, surfaces, vacancy, phonons, dynamics, with commas between (all).",
    ),
]
PropertyTemperature = Annotated[float, Option("--temperature", help="Of the dynamics, K.")]
PropertyMaxTemperature = Annotated[
    float, Option("--max-temperature", help="K, up to which it is heated to see when it breaks.")
]
PropertyHeating = Annotated[float, Option("--heating", min=0.0, help="ps that heating takes; 0 for none.")]
PropertyCell = Annotated[float, Option("--cell-length", help="Shortest edge of supercells, Å.")]
EnergyKey = Annotated[
    str | None, Option(metavar="NAME", help="Name of the energy in the data, such as REF_energy.")
]
ForcesKey = Annotated[str | None, Option(metavar="NAME", help="Name of the forces in the data.")]
StressKey = Annotated[
    str | None,
    Option(
        metavar="NAME[=KIND:UNIT]",
        help="Name of the stress in the data, and what it is: stress, pressure (other sign) :eV/A^3, GPa, "
        "kbar or bar; virial:eV (-stress·volume) or negative-virial:eV.",
    ),
]
FileUnits = Annotated[
    str | None,
    Option(
        "--units",
        help="Of input.data (n2p2): eV or Ha, told by the distances if left out. Of LAMMPS' dumps: metal, "
        "real or electron.",
    ),
]
DataUnits = Annotated[
    str | None,
    Option(help="Of --data: for input.data eV or Ha, told by the distances; for dumps metal or real."),
]
Types = Annotated[
    str | None,
    Option(metavar="ELEMENTS", help="Elements of numeric types (LAMMPS, MTP) in their order: 'Cu Au'."),
]
Unconverged = Annotated[
    bool, Option("--unconverged", help="Take steps whose electrons did not converge, too.")
]

RunOutput = Annotated[Path, Option("-o", "--output", metavar="RUN", help="Folder for the run.")]
Output = Annotated[Path, Option("-o", "--output", metavar="DIR", help="Folder to write into.")]
DemoOutput = Annotated[Path | None, Option("-o", "--output", metavar="DIR", help="Folder to write into.")]
Json = Annotated[bool, Option("--json", help="One JSON object alone on standard output.")]
Overwrite = Annotated[bool, Option("--overwrite", help="Write over what is there already.")]
SkipBad = Annotated[bool, Option("--skip-bad", help="Leave bad frames out instead of stopping.")]
Device = Annotated[str, Option(help="auto, cpu, cuda, cuda:1 or mps.")]
Threads = Annotated[int | None, Option(min=1, help="Processor threads (default all).")]
SweptName = Annotated[
    str, Option("--setting", metavar="NAME", help="What the trainings differ in, such as l2 or seed.")
]
SweptValues = Annotated[
    str | None,
    Option("--values", metavar="LIST", help="Its values, such as '0, 1e-4, 1e-2' (default usual)."),
]
ResumeSweep = Annotated[bool, Option("--resume", help="Train only what has not ended in DIR.")]
SchedulerOption = Annotated[
    str | None,
    Option(
        "--scheduler",
        metavar="WHERE",
        help="Work elsewhere: local:N for N processes here, slurm:FILE, or the address of a dask scheduler.",
    ),
]
Eos = Annotated[str, Option(metavar="FILE", help="A crystal's volume scan, with energies.")]
Headless = Annotated[bool, Option("--headless", help="No window: figures and a report.")]
Resume = Annotated[bool, Option("--resume", help="Go on with the training in RUN; no DATA needed.")]

ValidFiles = Annotated[list[str] | None, Option("--valid", metavar="FILE", help="Validate on this file.")]
TestFiles = Annotated[
    list[str] | None,
    Option("--test", metavar="FILE", help="Measure errors on this file; no training and no choice sees it."),
]
Config = Annotated[Path | None, Option(metavar="TOML", help="Settings; options given here come first.")]
Seed = Annotated[int | None, Option(help="Of the split and the first weights (default 0).")]

ExportFormat = Annotated[
    str | None, Option(metavar="FORMAT", help="n2p2, simple-nn, torch or potential (default: with README).")
]
Scaling = Annotated[
    str, Option(metavar="HOW", help="Of n2p2's inputs: center, none, scale, scale-center or sigma.")
]
CheckWith = Annotated[
    str | None, Option(metavar="CMD", help="Call LAMMPS by this and compare energies and forces.")
]
CheckData = Annotated[str | None, Option(metavar="FILE", help="Structures to compare with --check-with.")]
LammpsInput = Annotated[
    bool, Option("--lammps-input", help="Write inputs for LAMMPS, too: a relaxation, NVT, an EOS.")
]
ExportStructure = Annotated[
    str | None,
    Option(
        "--structure",
        metavar="FILE",
        help="What --lammps-input starts with (default: a crystal of the data).",
    ),
]
Sources = Annotated[
    list[str], Argument(metavar="DIR...", help="Folders or files of the members of one ensemble.")
]
ImportFormat = Annotated[str, Option(metavar="FORMAT", help="n2p2, simple-nn, potential, aenet or auto.")]
ImportData = Annotated[list[str] | None, Option("--data", metavar="FILE", help="What it was trained on.")]
Units = Annotated[str | None, Option(help="Of n2p2's files: angstrom-ev or bohr-hartree.")]
Epoch = Annotated[int | None, Option(help="Read n2p2's weights.ZZZ.NNNNNN.out of this epoch.")]

ReportOutput = Annotated[Path, Option("-o", "--output", metavar="FILE", help="File to write: .html or .pdf.")]
Every = Annotated[float, Option(min=0.2, max=3600.0, help="Seconds between two looks.")]
Once = Annotated[bool, Option("--once", help="Look once and end.")]
MethodsOutput = Annotated[
    Path | None,
    Option("-o", "--output", metavar="DIR", help="Folder for methods.txt, methods.tex, references.bib."),
]
TrainEos = Annotated[
    str | None,
    Option("--eos", metavar="FILE", help="Crystal along its volume: follow its mapping error; verdict."),
]
ReportEos = Annotated[
    str | None,
    Option("--eos", metavar="FILE", help="Crystal along its volume scan (default: the monitored one)."),
]
RegionsFile = Annotated[
    Path | None,
    Option("--regions", metavar="FILE", help="Regions file (default: the monitored regions)."),
]

ReportProperties = Annotated[
    Path | None,
    Option("--properties", metavar="DIR", help="Print what eatlas properties has written into DIR, too."),
]

RunOrTrainData = Annotated[
    list[str],
    Argument(metavar="RUN_OR_DATA...", help="Folder of a training, or files that could be trained on."),
]
Targets = Annotated[
    list[str],
    Option(
        "--targets",
        metavar="FILE",
        help="What is to be known: crystals, other structures, or regions (.json); may be repeated.",
    ),
]
Pool = Annotated[
    list[str] | None,
    Option("--pool", metavar="FILE", help="Structures that might be computed; may be repeated."),
]
Generate = Annotated[
    str | None,
    Option(
        "--generate",
        metavar="KINDS",
        help="Make candidates: volumes, shears, rattled, md, slabs, clusters, with commas between "
        "(default without --pool: volumes,shears,rattled).",
    ),
]
CureNumber = Annotated[int, Option("-n", "--number", min=1, help="Frames to choose at most.")]
CostExponent = Annotated[
    float, Option("--cost-exponent", help="A calculation costs its number of atoms to this power, 1 to 3.")
]
VolumeRange = Annotated[
    float,
    Option("--volume-range", min=0.1, help="Crystals within so many % of equilibrium are targets."),
]
DynamicsBy = Annotated[
    str | None,
    Option(
        "--dynamics-by",
        metavar="CALCULATOR",
        help="What moves the atoms of md: stillinger-weber, cleri-rosato or MODULE:NAME (default: the run).",
    ),
]
InputTemplate = Annotated[
    str | None,
    Option(
        "--template",
        metavar="PATH",
        help="Your input with {{positions}} and {{cell}} in it, or a folder to be copied beside each POSCAR.",
    ),
]
LabelWith = Annotated[
    str | None,
    Option(
        "--label-with",
        metavar="CALCULATOR",
        help="Compute the chosen frames: stillinger-weber, cleri-rosato or MODULE:NAME of an ASE calculator.",
    ),
]
LabelArguments = Annotated[
    str | None, Option("--arguments", metavar="JSON", help="Arguments of the calculator of --label-with.")
]
Add = Annotated[
    list[Path] | None,
    Option(
        "--add",
        metavar="DIR",
        help="Train anew on old data and what was computed in DIR of eatlas cure: those of the run that DIR "
        "is for, or DATA; may be repeated, and be a file.",
    ),
]
Without = Annotated[
    Path | None,
    Option(
        "--without",
        metavar="FILE",
        help="Leave out the frames that a file of eatlas outliers --leave-out names; the run keeps why.",
    ),
]
LeaveOut = Annotated[
    Path | None,
    Option(
        "--leave-out",
        metavar="FILE",
        help="Write the frames that are listed here, with the reasons, for eatlas train --without FILE.",
    ),
]
MostOutliers = Annotated[
    int,
    Option(
        "-n", "--most", min=1, max=200, help="Frames, and atoms, that are listed at most.", show_default=True
    ),
]
Times = Annotated[
    float,
    Option(
        "--times",
        min=0.0,
        help="List what is off by so many times what is foretold, at least.",
        show_default=True,
    ),
]
GroupKey = Annotated[
    str | None,
    Option(
        "--group-key",
        metavar="NAME",
        help="Value of the frames that says their group, or file (default: as the run has it: config_type, "
        "group or tag, else the file).",
    ),
]
Weights = Annotated[
    Path | None,
    Option(
        "--weights",
        metavar="FILE",
        help='Weights of groups of frames in the loss, TOML: a line "Surface" = 2 or a table [Surface] with '
        "energy, forces, stress for each group; other groups count once.",
    ),
]
Count = Annotated[
    float | None,
    Option(
        "--count",
        metavar="N",
        help="With --add: how many times each added frame counts; by default the root of old over added "
        "frames, rounded.",
    ),
]

Calibrated = Annotated[
    bool,
    Option(
        "--calibrated",
        help="Multiply spreads by the factors that eatlas calibrate --store has kept with the run.",
    ),
]
CalibrationData = Annotated[
    list[str] | None,
    Option(
        "--data",
        metavar="FILE",
        help="Frames with reference values that were not trained on (default: its validation and test).",
    ),
]
CalibrationOutput = Annotated[
    Path | None,
    Option("-o", "--output", metavar="DIR", help="Folder for picture, tables, calibration.json."),
]
Store = Annotated[
    bool, Option("--store", help="Keep the factors the frames tell, for who asks for calibrated spreads.")
]
MembersOnly = Annotated[
    bool, Option("--members-only", help="Leave out the foretold spread, which takes some seconds more.")
]
Sizes = Annotated[
    str | None,
    Option(
        "--points",
        metavar="LIST",
        help="Numbers of training frames, such as 10,20,40 (default: all, half of them, a quarter ...).",
    ),
]
Seeds = Annotated[int, Option("--seeds", min=1, help="Trainings of each size, with different frames.")]
ComparedRunFolders = Annotated[list[Path], Argument(metavar="RUN...", help="Folders of trainings.")]
ComparisonCsv = Annotated[
    Path | None, Option("--csv", metavar="FILE", help="Write the table as CSV, too: a row for each run.")
]
SortBy = Annotated[
    str | None,
    Option(
        "--sort", metavar="COLUMN", help="Sort by this column: its title, or a part of it that no other has."
    ),
]
Descending = Annotated[bool, Option("--descending", help="The largest first.")]
FoldersOnly = Annotated[
    bool, Option("--quick", help="Only what the folders say: no verdicts, no errors by group.")
]
ComparedProperties = Annotated[
    list[Path] | None,
    Option(
        "--properties",
        metavar="DIR",
        help="Show what eatlas properties has written into DIR for runs of these names; may be repeated.",
    ),
]
NoteText = Annotated[
    str | None, Argument(metavar="[TEXT]", help='What to say of it; "" takes the text away.')
]
Star = Annotated[bool | None, Option("--star/--no-star", help="Give it a star, or take it away.")]
