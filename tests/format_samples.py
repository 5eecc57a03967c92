"""The same two steps of Si2 in every format that is read, each written by a few lines of its own."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.db import connect
from ase.io import write
from ase.units import Bohr, Hartree, bar

DATA = Path(__file__).parent / "data"

CELL = np.array([[0, 2.715, 2.715], [2.715, 0, 2.715], [2.715, 2.715, 0]])
POSITIONS = np.array([[[0, 0, 0], [1.4, 1.35, 1.36]], [[0.01, 0, -0.005], [1.39, 1.35, 1.365]]])
FORCES = np.array([[[0.30, -0.05, 0.02], [-0.30, 0.05, -0.02]], [[0.21, -0.03, 0.01], [-0.21, 0.03, -0.01]]])
ENERGIES = (-10.79500001, -10.81220001)
PRESSURES = np.array([[12.5, 11.0, 10.5, 1.25, -0.75, 0.5], [9.0, 8.5, 8.0, 1.0, -0.5, 0.25]])
"""kbar, positive under compression, xx yy zz xy yz zx."""
VOLUME = float(abs(np.linalg.det(CELL)))


def stress_of(step: int) -> np.ndarray:
    """Return ASE's stress of a step, eV/Å³."""
    xx, yy, zz, xy, yz, zx = PRESSURES[step]
    return -1000 * bar * np.array([[xx, xy, zx], [xy, yy, yz], [zx, yz, zz]])


def _rows(values: np.ndarray, form: str = "{:16.8f}") -> str:
    return "\n".join(" ".join(form.format(x) for x in row) for row in values) + "\n"


def _images() -> list[Atoms]:
    images = []
    for k in range(2):
        atoms = Atoms("Si2", positions=POSITIONS[k], cell=CELL, pbc=True)
        stress = stress_of(k)[[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]]
        atoms.calc = SinglePointCalculator(atoms, energy=ENERGIES[k], forces=FORCES[k], stress=stress)
        images.append(atoms)
    return images


def _copied(*names: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        for name in names:
            shutil.copy(DATA / name, folder)
        return folder / names[0]

    return make


def _by_ase(name: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        if name.endswith((".db",)):
            with connect(folder / name, use_lock_file=False) as database:
                for atoms in _images():
                    database.write(atoms)
        else:
            write(folder / name, _images())
        return folder / name

    return make


def _xyz(name: str, properties: str, comment: Callable[[int], str]) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        text = ""
        for k in range(2):
            rows = np.concatenate([POSITIONS[k], FORCES[k]], axis=1)
            lattice = " ".join(f"{x:.8f}" for x in CELL.ravel())
            text += f"2\n{comment(k).format(lattice)} {properties}\n"
            text += "".join(f"Si {' '.join(f'{x:14.8f}' for x in row)}\n" for row in rows)
        (folder / name).write_text(text)
        return folder / name

    return make


def _numbers(values: np.ndarray) -> str:
    return " ".join(f"{x:.10f}" for x in np.ravel(values))


extxyz = _xyz(
    "a.extxyz",
    "Properties=species:S:1:pos:R:3:forces:R:3",
    lambda k: f'Lattice="{{}}" energy={ENERGIES[k]} stress="{_numbers(stress_of(k))}" pbc="T T T"',
)
nep = _xyz(
    "train.xyz",
    "properties=species:S:1:pos:R:3:forces:R:3",
    lambda k: f'energy={ENERGIES[k]} pbc="T T T" lattice="{{}}" virial="{_numbers(-VOLUME * stress_of(k))}"',
)
plain_xyz = _xyz("plain.xyz", "", lambda k: f"step {k}")


def lammps_dump(folder: Path) -> Path:
    text, cell = "", np.array([[3.8, 0, 0], [0.5, 3.9, 0], [0.2, 0.1, 4.0]])
    for k in range(2):
        text += f"ITEM: UNITS\nmetal\nITEM: TIMESTEP\n{10 * k}\nITEM: NUMBER OF ATOMS\n2\n"
        text += "ITEM: BOX BOUNDS xy xz yz pp pp ff\n0.0 4.5 0.5\n0.0 4.0 0.2\n0.0 4.0 0.1\n"
        text += "ITEM: ATOMS id element x y z fx fy fz c_pe\n"
        for i in (1, 0):
            values = [*POSITIONS[k][i], *FORCES[k][i], -5.0 - i]
            text += f"{i + 1} Si {' '.join(f'{x:.8f}' for x in values)}\n"
    assert np.allclose(cell[0, 0] + 0.5 + 0.2, 4.5)
    (folder / "a.lammpstrj").write_text(text)
    return folder / "a.lammpstrj"


def ml_ab(folder: Path) -> Path:
    stars, lines, dashes = "*" * 50 + "\n", "=" * 50 + "\n", "-" * 50 + "\n"
    text = f" 1.0 Version\n{stars}     The number of configurations\n{dashes}         2\n"
    text += f"{stars}     The maximum number of atom type\n{dashes}       1\n"
    for k in range(2):
        xx, yy, zz, xy, yz, zx = PRESSURES[k]
        parts = {
            "System name": "     Si\n",
            "The number of atom types": "       1\n",
            "The number of atoms": "       2\n",
            "Atom types and atom numbers": "     Si     2\n",
            "CTIFOR": "   0.002\n",
            "Primitive lattice vectors (ang.)": _rows(CELL),
            "Atomic positions (ang.)": _rows(POSITIONS[k]),
            "Total energy (eV)": f"  {ENERGIES[k]}\n",
            "Forces (eV ang.^-1)": _rows(FORCES[k]),
        }
        text += f"{stars}     Configuration num.      {k + 1}\n"
        text += "".join(f"{lines}     {name}\n{dashes}{body}" for name, body in parts.items())
        text += f"{lines}     Stress (kbar)\n{dashes}     XX YY ZZ\n{dashes}{_rows(np.array([[xx, yy, zz]]))}"
        text += f"{dashes}     XY YZ ZX\n{dashes}{_rows(np.array([[xy, yz, zx]]))}"
    (folder / "ML_AB").write_text(text)
    return folder / "ML_AB"


def mtp_cfg(folder: Path) -> Path:
    text = ""
    for k in range(2):
        virial = -VOLUME * stress_of(k)[[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]]
        text += f"BEGIN_CFG\n Size\n    2\n Supercell\n{_rows(CELL)}"
        text += " AtomData:  id type  cartes_x  cartes_y  cartes_z  fx  fy  fz\n"
        for i in range(2):
            text += f" {i + 1} 0 {_numbers(POSITIONS[k][i])} {_numbers(FORCES[k][i])}\n"
        text += f" Energy\n    {ENERGIES[k]:.8f}\n PlusStress:  xx  yy  zz  yz  xz  xy\n"
        text += f"   {_numbers(virial)}\n Feature   EFS_by       VASP\nEND_CFG\n\n"
    (folder / "train.cfg").write_text(text)
    return folder / "train.cfg"


def deepmd(folder: Path) -> Path:
    system = folder / "system"
    part = system / "set.000"
    part.mkdir(parents=True)
    (system / "type.raw").write_text("0\n0\n")
    (system / "type_map.raw").write_text("Si\n")
    np.save(part / "coord.npy", POSITIONS.reshape(2, -1))
    np.save(part / "box.npy", np.array([CELL.ravel()] * 2))
    np.save(part / "energy.npy", np.array(ENERGIES))
    np.save(part / "force.npy", FORCES.reshape(2, -1))
    np.save(part / "virial.npy", np.array([-VOLUME * stress_of(k).ravel() for k in range(2)]))
    return system


def vaspout_h5(folder: Path) -> Path:
    import h5py

    path = folder / "vaspout.h5"
    inverse = np.linalg.inv(CELL)
    with h5py.File(path, "w") as file:
        file["results/positions/ion_types"] = np.array([b"Si"])
        file["results/positions/number_ion_types"] = np.array([2])
        steps = file.create_group("intermediate/ion_dynamics")
        steps["energies_tags"] = np.array([b"free energy    TOTEN   ", b"energy(sigma->0)"])
        steps["energies"] = np.array([[-1.0, e] for e in ENERGIES])
        steps["lattice_vectors"] = np.array([CELL] * 2)
        steps["position_ions"] = np.array([p @ inverse for p in POSITIONS])
        steps["forces"] = FORCES
        steps["stress"] = np.array([-stress_of(k) / (1000 * bar) for k in range(2)])
    return path


def _structure(k: int) -> dict[str, object]:
    inverse = np.linalg.inv(CELL)
    sites = [
        {
            "species": [{"element": "Si", "occu": 1}],
            "abc": (p @ inverse).tolist(),
            "xyz": p.tolist(),
            "label": "Si",
            "properties": {},
        }
        for p in POSITIONS[k]
    ]
    lattice = {"matrix": CELL.tolist(), "pbc": [True, True, True], "volume": VOLUME}
    return {"@module": "pymatgen.core.structure", "@class": "Structure", "lattice": lattice, "sites": sites}


def mlearn_json(folder: Path) -> Path:
    entries = [
        {
            "structure": _structure(k),
            "num_atoms": 2,
            "group": "AIMD",
            "outputs": {
                "energy": ENERGIES[k],
                "forces": FORCES[k].tolist(),
                "virial_stress": PRESSURES[k].tolist(),
            },
        }
        for k in range(2)
    ]
    (folder / "training.json").write_text(json.dumps(entries))
    return folder / "training.json"


def chgnet_json(folder: Path) -> Path:
    frames = {
        f"mp-1-{k}": {
            "structure": _structure(k),
            "energy_per_atom": ENERGIES[k] / 2,
            "force": FORCES[k].tolist(),
            "stress": (-stress_of(k) / (1000 * bar)).tolist(),
            "magmom": None,
        }
        for k in range(2)
    }
    (folder / "mptrj.json").write_text(json.dumps({"mp-1": frames}))
    return folder / "mptrj.json"


def res(folder: Path) -> Path:
    text, scaled = "", POSITIONS @ np.linalg.inv(CELL)
    for k in range(2):
        text += f"TITL Si2-{k} 0.00 {VOLUME:.4f} {ENERGIES[k]:.8f} 0.00 0.00 2 (P1) n - 1\n"
        text += f"CELL 1.54180 {3.83959:.5f} {3.83959:.5f} {3.83959:.5f} 60.0 60.0 60.0\nLATT -1\nSFAC Si\n"
        text += "".join(f"Si 1 {_numbers(s)} 1.0\n" for s in scaled[k]) + "END\n"
    (folder / "a.res").write_text(text)
    return folder / "a.res"


def aims(folder: Path) -> Path:
    text = "          Invoking FHI-aims ...\n\n  | Number of atoms                   :        2\n"
    text += "  | Number of Kohn-Sham states (occupied + empty):       20\n"
    text += "  The structure contains        2 atoms,  and a total of         28.000 electrons.\n"
    text += "  | Number of spin channels           :        1\n"
    text += "  Input geometry:\n  | Unit cell:\n"
    text += "".join(f"  | {_numbers(row)}\n" for row in CELL)
    text += "  | Atomic structure:\n  |       Atom                x [A]            y [A]            z [A]\n"
    for i in range(2):
        text += f"  |    {i + 1}: Species Si  {_numbers(POSITIONS[0][i])}\n"
    text += "          Begin self-consistency loop: Initialization.\n"
    text += "          Begin self-consistency iteration #    1\n"
    text += f"  | Total energy uncorrected      :        {ENERGIES[0]:.8f} eV\n"
    text += f"  | Total energy corrected        :        {ENERGIES[0]:.8f} eV\n"
    text += f"  | Electronic free energy        :        {ENERGIES[0]:.8f} eV\n"
    text += "          Self-consistency cycle converged.\n"
    text += "  Total atomic forces (unitary forces cleaned) [eV/Ang]:\n"
    text += "".join(f"  |    {i + 1} {_numbers(f)}\n" for i, f in enumerate(FORCES[0])) + "\n"
    text += "          Have a nice day.\n"
    (folder / "aims.out").write_text(text)
    return folder / "aims.out"


def gpaw(folder: Path) -> Path:
    text = "\n  ___ ___ ___ _ _ _  \n |   |   |_  | | | | \n | | | | | . | | | | \n"
    text += " |__ |  _|___|_____|  23.9.1\n |___|_|             \n\n"
    for k in range(2):
        text += "Positions:\n"
        for i in range(2):
            text += f"   {i} Si {_numbers(POSITIONS[k][i])}    ( 0.0000,  0.0000,  0.0000)\n"
        text += "\nUnit cell:\n           periodic     x           y           z      points  spacing\n"
        for i in range(3):
            text += f"  {i + 1}. axis:    yes {_numbers(CELL[i])}    12     0.1900\n"
        text += "\nEnergy contributions relative to reference atoms: (reference = -15772.0)\n\n"
        text += f"Kinetic:        +4.000000\nExtrapolated:   {ENERGIES[k]:.8f}\n\n"
        text += (
            "Forces in eV/Ang:\n"
            + "".join(f"  {i} Si {_numbers(f)}\n" for i, f in enumerate(FORCES[k]))
            + "\n"
        )
    text += "Timing:                  incl.     excl.\nTotal:                             1.000 100.0%\n"
    (folder / "gpaw.txt").write_text(text)
    return folder / "gpaw.txt"


def orca(folder: Path) -> Path:
    stars, line = " " * 33 + "*" * 17 + "\n", "-" * 33 + "\n"
    text = f"{stars}{' ' * 33}* O   R   C   A *\n{stars}\n"
    text += "Number of atoms                             ...      2\n"
    text += f"{line}CARTESIAN COORDINATES (ANGSTROEM)\n{line}"
    text += "".join(f"  Si {_numbers(p)}\n" for p in POSITIONS[0])
    text += f"\nFINAL SINGLE POINT ENERGY      {ENERGIES[0] / Hartree:.12f}\n"
    text += "------------------\nCARTESIAN GRADIENT\n------------------\n\n"
    gradient = -FORCES[0] / (Hartree / Bohr)
    text += "".join(
        f"   {i + 1}   Si  :   {' '.join(f'{x:.12f}' for x in g)}\n" for i, g in enumerate(gradient)
    )
    text += "\n                             ****ORCA TERMINATED NORMALLY****\n"
    (folder / "orca.out").write_text(text)
    return folder / "orca.out"


SAMPLES: dict[str, Callable[[Path], Path]] = {
    "extxyz": extxyz,
    "nep": nep,
    "xyz": plain_xyz,
    "outcar": _copied("OUTCAR"),
    "vasprun": _copied("vasprun.xml"),
    "pwscf": _copied("espresso.out"),
    "cp2k-output": _copied("cp2k.out"),
    "cp2k-trajectory": _copied("si-pos-1.xyz", "si-frc-1.xyz", "si-1.cell"),
    "input.data": _copied("input.data"),
    "lammps-dump": lammps_dump,
    "ml-ab": ml_ab,
    "vaspout-h5": vaspout_h5,
    "mtp-cfg": mtp_cfg,
    "deepmd": deepmd,
    "mlearn-json": mlearn_json,
    "chgnet-json": chgnet_json,
    "res": res,
    "aims": aims,
    "gpaw": gpaw,
    "orca": orca,
    "traj": _by_ase("a.traj"),
    "ase-json": _by_ase("a.json"),
    "ase-db": _by_ase("a.db"),
}
"""What writes a sample into a folder and returns its path, by format."""


def _written(name: str, form: str, n_images: int = 1) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        images = _images()[:n_images]
        for atoms in images:
            atoms.calc = None
        more = {"masses": True} if form == "lammps-data" else {}
        write(folder / name, images if n_images > 1 else images[0], format=form, **more)
        return folder / name

    return make


def _geometry_in(folder: Path) -> Path:
    text = "".join(f"lattice_vector {_numbers(row)}\n" for row in CELL)
    text += "".join(f"atom {_numbers(row)} Si\n" for row in POSITIONS[0])
    (folder / "geometry.in").write_text(text)
    return folder / "geometry.in"


def _packed(make: Callable[[Path], Path], suffix: str) -> Callable[[Path], Path]:
    def pack(folder: Path) -> Path:
        path = make(folder)
        packed = path.with_name(path.name + suffix)
        compress = {".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress}[suffix]
        packed.write_bytes(compress(path.read_bytes()))
        return packed

    return pack


BY_ASE: dict[str, Callable[[Path], Path]] = {
    "poscar": _written("POSCAR", "vasp"),
    "xdatcar": _written("XDATCAR", "vasp-xdatcar", 2),
    "cif": _written("a.cif", "cif"),
    "xsf": _written("a.xsf", "xsf"),
    "cfg": _written("atomeye.cfg", "cfg"),
    "gen": _written("a.gen", "gen"),
    "pdb": _written("a.pdb", "proteindatabank"),
    "gromacs": _written("a.gro", "gromacs"),
    "lammps-data": _written("a.data", "lammps-data"),
    "aims-in": _geometry_in,
    "xyz-gz": _packed(plain_xyz, ".gz"),
    "extxyz-xz": _packed(extxyz, ".xz"),
    "outcar-bz2": _packed(_copied("OUTCAR"), ".bz2"),
}
"""Structures without labels that ASE reads and writes, and packed files."""
