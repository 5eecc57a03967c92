"""``eatlas methods``: the paragraph of an article that says how a potential was made."""

from __future__ import annotations

from rich.markup import escape

from nnpcore.cli import options
from nnpcore.cli.gathered import Result, gathers
from nnpcore.cli.output import output_folder
from nnpcore.cli.terminal import Terminal


@gathers()
def methods_command(
    terminal: Terminal,
    *,
    run: options.RunFolder,
    output: options.MethodsOutput = None,
    overwrite: options.Overwrite = False,
) -> Result:
    """Show the paragraph and its sources; write them as text, for LaTeX and for BibTeX where asked to."""
    from nnpcore.report.methods import methods_of_run

    found = methods_of_run(run)
    files = []
    if output is not None:
        files = found.save(output_folder(output, overwrite))
        terminal.say(f"The paragraph and its sources are in {output}.")
    terminal.show(escape(found.text))
    return {"run": run, "text": found.text, "latex": found.latex, "bibtex": found.bibtex, "files": files}
