"""``report.html``: what a run came to, as one page that needs no network and runs no script.

The page is made from a run directory, and the inputs of the few samples that are shown though they were dropped. It
holds no time, host or chance of its own, so equal directories and inputs give equal bytes.
A content security policy inside the page refuses every script and request, whatever text got into it.

Choice of libraries: matplotlib, as its SVG is small, still, the same for the same input, and can take the page's
colours, where Vega-Lite, ECharts and Plotly put 0.8 to 4.8 MB of script into each page; Jinja, as it escapes unasked.
"""

from __future__ import annotations

from pathlib import Path

from curation.costs import read_costs
from curation.files import whole_file
from curation.finished import held_still, read_manifest
from curation.html_report.examples import find_examples
from curation.html_report.page import render
from curation.html_report.survey import survey

__all__ = ["write_report"]

_NAME = "report.html"


def write_report(directory: Path, *, target: Path | None = None) -> Path:
    """Writes the page of a run, finished or partial, and gives its path.

    Args:
        directory: output directory of ``curate run``.
        target: file of the page; ``report.html`` in the directory where there is none.

    Raises:
        OutputError: the directory has no manifest, or its files are not the ones that the manifest names.
        RunLockedError: a run is at work on it.
        OSError: the page cannot be written.
    """
    with held_still(directory):
        manifest = read_manifest(directory)
        found = survey(directory, manifest)
        text = render(manifest, found, find_examples(directory, manifest), read_costs(directory))
        target = target or directory / _NAME
        with whole_file(target) as stream:
            stream.write(text.encode())
    return target
