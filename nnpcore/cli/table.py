"""The table of commands: light, so that it can be asked whether an argument is one of them."""

HELP = """See what a neural-network potential has really learned.

Without a command, [bold]eatlas[/] opens the window, and [bold]eatlas FILE...[/] opens it with these files.
[bold]--example[/] loads the bundled silicon data, [bold]--train[/] starts training at once, [bold]--info[/]
prints versions and the graphics driver, [bold]--reset[/] forgets the window's settings, [bold]--version[/]
prints the version.
"""
COMMANDS = {
    "info": "Say what a trajectory contains: frames, elements, energies, forces, stresses, bad frames.\n\n"
    "Of a run: its potential, where the energies of its atoms come from, data and split, errors.",
    "train": "Train an ensemble of neural-network potentials; Ctrl+C stops it with everything kept.",
    "sweep": "Train with several values of one setting, here or on a cluster; say which value the RMSE "
    "and which one the mapping error chooses.",
    "learning-curve": "Train on ever more of the same data, here or on a cluster; say what twice as "
    "many frames would bring.",
    "evaluate": "Compare a trained potential, or ASE calculators, with the energies, forces and stresses of "
    "files; without files with those of the run's training, validation and test frames.",
    "predict": "Write files' structures with atomic energies, forces and their spread by a potential or "
    "calculator.",
    "map": "Check the atomic energies at invariant points: EOS, bracket, PCA, connectivity, verdict.\n\n"
    "With --calculator, which may be repeated: compare equations of state.",
    "properties": "Study what potentials say of a crystal: lattice, elastic constants, surfaces, vacancy, "
    "phonons, dynamics.\n\nSeveral runs and calculators stand side by side, beside a reference.",
    "calibrate": "Compare spreads with true errors on data that were not trained on: coverage, the factor "
    "that makes spreads right.",
    "cure": "Find the frames whose computation would tell most about atomic energies; write them ready to "
    "be computed.\n\nWith --label-with they are computed, too; eatlas train --add then trains again.",
    "outliers": "List the frames and atoms of a run whose errors are larger than foretold, to leave them "
    "out.",
    "export": "Write the potential to be passed on: with README and curves, or for n2p2, SIMPLE-NN, torch.",
    "import": "Make a read-only run of a potential of n2p2, RuNNer, SIMPLE-NN or aenet, to map and evaluate "
    "it.",
    "report": "Write one page about a run: settings, data, curves, EOS, mapping errors, what data determine.",
    "watch": "Follow a training that another process does, here or on a cluster: curves and mapping errors.",
    "methods": "Say in a paragraph for an article how a potential was made, with its sources for BibTeX.",
    "compare": "Show runs side by side: settings that differ, data, errors, verdict, properties, time.",
    "note": "Show or change what you say of a run: a text, and a star.",
    "demo": "Show on the bundled silicon data that good totals may hide wrong atomic energies.",
    "paper": "Show the paper's claims with our own numbers: figures, tables, claims.json and a report.",
}
"""Name -> what --help says of it."""
