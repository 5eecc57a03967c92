"""What an exported potential's README says: what was written, and how to run it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nnpcore.potential import Potential


def hdnnp_lines(potential: Potential, folders: list[str]) -> list[str]:
    """LAMMPS input that runs n2p2 folders; several are a committee, whose mean drives the atoms."""
    options = "showew no showewsum 1000 resetew yes maxew 1000000 cflength 1 cfenergy 1"
    names = " ".join(potential.elements)
    cutoff = repr(float(potential.cutoff))
    if len(folders) == 1:
        return [f'pair_style hdnnp {cutoff} dir "{folders[0]}" {options}', f"pair_coeff * * {names}"]
    share = repr(1 / len(folders))
    styles = [f'{share} hdnnp {cutoff} dir "{folder}" {options}' for folder in folders]
    lines = ["pair_style hybrid/scaled &", *(f"  {style} &" for style in styles[:-1]), f"  {styles[-1]}"]
    return lines + [f"pair_coeff * * hdnnp {m} {names}" for m in range(1, len(folders) + 1)]


def nn_lines(potential: Potential, files: list[str]) -> list[str]:
    """LAMMPS input that runs SIMPLE-NN files; several are a committee."""
    names = " ".join(potential.elements)
    if len(files) == 1:
        return ["pair_style nn", f'pair_coeff * * "{files[0]}" {names}']
    share = repr(1 / len(files))
    return [
        "pair_style hybrid/scaled " + " ".join(f"{share} nn" for _ in files),
        *(f'pair_coeff * * nn {m} "{file}" {names}' for m, file in enumerate(files, start=1)),
    ]


def member_names(n_members: int, last: str) -> list[str]:
    """Where the members' files lie in an exported folder: ``last`` itself, or in ``member-1`` and so on."""
    if n_members == 1:
        return [last]
    return [f"member-{m}" if last == "." else f"member-{m}/{last}" for m in range(1, n_members + 1)]


def engine_readme(potential: Potential, format: str) -> str:
    """Return the text that explains an exported folder."""
    lines = [
        f"# Neural-network potential for {', '.join(potential.elements)}",
        "",
        f"Exported from Eatlas; members: {potential.n_members}. Lengths are in Å, energies in eV.",
        "",
    ]
    return "\n".join(lines + {"n2p2": _n2p2, "simple-nn": _simple_nn, "torch": _torch}[format](potential))


def _lammps(lines: list[str]) -> list[str]:
    head = ["units metal", "atom_style atomic"]
    return ["```", *head, "# read_data ... ; then, with the elements in the order of the atom types:", *lines]


def _n2p2(potential: Potential) -> list[str]:
    folders = member_names(potential.n_members, ".")
    lines = [
        "Each folder with an `input.nn` is one n2p2 potential: `nnp-predict` reads it, and LAMMPS by",
        "",
        *_lammps(hdnnp_lines(potential, folders[:1])),
        "```",
        "",
    ]
    if potential.n_members > 1:
        lines += [
            "One folder is one member. All of them together, as the ensemble's mean:",
            "",
            *_lammps(hdnnp_lines(potential, folders)),
            "```",
            "",
        ]
    return [
        *lines,
        "Whitening, the energies of free atoms and, where there is one, the linear part of the potential are "
        "folded into the weights; the comments in `input.nn` say which. `scaling.data` holds the true minima "
        "and maxima of the training atoms, as far as they are known: n2p2 warns outside of them.",
        "",
    ]


def _simple_nn(potential: Potential) -> list[str]:
    files = member_names(potential.n_members, "potential_saved")
    lines = [
        "Each `potential_saved` is a potential of SIMPLE-NN. LAMMPS, built with its `pair_nn`, reads it:",
        "",
        *_lammps(nn_lines(potential, files[:1])),
        "```",
        "",
    ]
    if potential.n_members > 1:
        lines += [
            "One file is one member. All of them together, as the ensemble's mean:",
            "",
            *_lammps(nn_lines(potential, files)),
            "```",
            "",
        ]
    text = (
        "Whitening and the energies of free atoms are folded into the first and last layer; the linear part "
        "of the potential, where there is one, into the last neurons of each hidden layer."
    )
    return [*lines, text, ""]


def _torch(potential: Potential) -> list[str]:
    return [
        "`potential.pt` is a TorchScript module in float64: no Eatlas is needed to run it.",
        "",
        "```python",
        "import torch",
        'module = torch.jit.load("potential.pt")',
        "energies, energies_std, forces, forces_std, virial = module(species, center, neighbor, vector)",
        "```",
        "",
        "- `species` (n,) int64: 0, 1, ... for " + ", ".join(potential.elements),
        "- `center`, `neighbor` (p,) int64: the atoms of every pair within "
        f"{potential.cutoff:g} Å, both (i, j) and (j, i), periodic images and an atom's own images included; "
        "`center` must not fall",
        "- `vector` (p, 3) float64: from the center to the neighbor, Å (ASE: `neighbor_list('ijD', ...)`)",
        "- `energies` (n,): atomic energies, eV, the ensemble's mean; `energies_std` (n,) their spread",
        "- `forces`, `forces_std` (n, 3): eV/Å",
        "- `virial` (3, 3): dE/d(strain), eV; the stress is `virial / volume`, positive for tension",
        "",
        "`module.members(species, center, neighbor, vector)` gives the same of every member, first axis.",
        "",
    ]
