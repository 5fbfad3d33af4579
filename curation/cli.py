"""The command ``curate``.

Exit status: 0 done; 1 finished, but shards or samples failed, or stopped before the end; 2 the recipe, the options or
the input are wrong, and nothing was done.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import click
from rich.console import Console

from curation.agreement import agreement, told
from curation.asking import differences, explained, status_of
from curation.collector import collect_rarely
from curation.costs import COSTS, CostMeter
from curation.entry import INTERRUPTED
from curation.errors import AccountingError, ClusterError, UsageError
from curation.executors.local import LocalPlacement
from curation.executors.passes import RunPlan, RunReport, run
from curation.executors.placement import Placement, SettingsOpener
from curation.presets import preset, preset_names
from curation.progress import shard_progress
from curation.progress_file import Observers, progress_file
from curation.recipe import Recipe, load_recipe, recipe_text
from curation.report import funnel, troubles
from curation.shards import check_columns, cut_into_shards
from curation.sources import find_sources
from curation.steps import READ, build_steps
from verifier.engines.store import STORE_VARIABLE, StoreLostError, default_store
from verifier.errors import InfrastructureError, InvalidRequestError
from verifier.settings import ENVIRONMENT_PREFIX

_WIDTH = 120
_LOCAL, _RAY = "local", "ray"
_ASKED = {"judging": "judged", "scoring": "scored"}
"""Stage -> what is done in it to a completion."""
_OK, _TROUBLE, _USAGE = 0, 1, 2


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="assay", prog_name="curate")
def main() -> None:
    """Curates Parquet shards and JSON lines of completions: filters, verdicts, and an account of every row."""


@main.command("run")
@click.argument("recipe", type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--input",
    "globs",
    multiple=True,
    metavar="GLOB",
    help="Parquet or JSON lines, here or in a store; overrules [input] globs.",
)
@click.option("--output", metavar="DIR", help="Where the results go; overrules [output] dir.")
@click.option("--server", metavar="HOST:PORT", help="A verifier that judges; without it, this process does.")
@click.option("--sandbox", metavar="NAME", help="Where programs run when this process judges: local or docker.")
@click.option(
    "--engine",
    type=click.Choice([_LOCAL, _RAY]),
    default=_LOCAL,
    show_default=True,
    help="Where shards are worked on: on this machine, or on the nodes of a Ray cluster.",
)
@click.option(
    "--address",
    metavar="ADDRESS",
    default="local",
    show_default=True,
    help="The Ray cluster: HOST:PORT, auto for the one that runs here, local to start one for this run.",
)
@click.option(
    "--processes",
    type=click.IntRange(min=1),
    metavar="N",
    help="Of this machine, at most; they take up to 600 MB each. Default: one a processor, four at most.",
)
@click.option("--retry-failed", is_flag=True, help="Judges again the shards that have samples in failed/.")
@click.option(
    "--store",
    type=click.Path(dir_okay=False, path_type=Path),
    envvar=STORE_VARIABLE,
    show_envvar=True,
    help="File of verdicts kept by content, shared with verifier score; default: assay/verdicts.sqlite in the user's "
    "cache.",
)
@click.option("--no-store", is_flag=True, help="Judges all, and keeps no verdict for other runs.")
@click.option("--costs", is_flag=True, help="Writes DIR/costs.json: CPU seconds of each pass, for the report.")
def run_command(  # noqa: PLR0917 - click passes them by name
    recipe: Path,
    globs: tuple[str, ...],
    output: str | None,
    server: str | None,
    sandbox: str | None,
    engine: str,
    address: str,
    processes: int | None,
    retry_failed: bool,  # noqa: FBT001 - click passes it
    store: Path | None,
    no_store: bool,  # noqa: FBT001 - click passes it
    costs: bool,  # noqa: FBT001 - click passes it
) -> None:
    """Runs RECIPE (TOML) over the input and writes DIR/data, DIR/rejected, DIR/failed and DIR/manifest.json.

    Stop it at any time; the same command goes on with what is left.
    """
    try:
        kept = None if no_store else store or default_store()
        plan = _plan(load_recipe(recipe), globs, output, retries_failed=retry_failed, store=kept)
        environ = {name: value for name, value in os.environ.items() if name.startswith(ENVIRONMENT_PREFIX)}
        opener = SettingsOpener(server=server, sandbox=sandbox, environ=environ)
        report = _run(plan, _placement(engine, address, processes, opener), has_costs=costs)
    except (UsageError, InvalidRequestError) as error:
        _complain([str(error)])
        sys.exit(_USAGE)
    except InfrastructureError as error:
        _complain([f"the verifier cannot be used: {error}", "when it is back, run the same command again"])
        sys.exit(_TROUBLE)
    except (AccountingError, StoreLostError) as error:
        _complain([str(error)])
        sys.exit(_TROUBLE)
    except OSError as error:
        # Shards that cannot be read are told by name; what is left is a disk that cannot be written.
        _complain([f"cannot write {output or 'the output'}: {error}", "make room and run the same command again"])
        sys.exit(_TROUBLE)
    except KeyboardInterrupt:
        _complain(["interrupted; run the same command again to go on"])
        sys.exit(INTERRUPTED)
    sys.exit(_tell(plan, report))


@main.command("init")
@click.argument("globs", nargs=-1, required=True, metavar="GLOB...")
@click.option(
    "--output", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE.toml", help="Where it goes; else stdout."
)
@click.option("--force", is_flag=True, help="Overwrites the file.")
@click.option("--preset", "preset_name", metavar="NAME", help="Takes the steps of a preset; see presets list.")
@click.option("--sample", "completions", type=click.IntRange(min=1), default=200, show_default=True, metavar="N")
@click.option("--judge", "judged", type=click.IntRange(min=0), default=50, show_default=True, metavar="N")
@click.option("--sandbox", metavar="NAME", help="Where programs of the sample run: local or docker.")
@click.option("--server", metavar="HOST:PORT", help="A verifier that judges the sample; else this process does.")
def init_command(  # noqa: PLR0917 - click passes them by name
    globs: tuple[str, ...],
    output: Path | None,
    force: bool,  # noqa: FBT001 - click passes it
    preset_name: str | None,
    completions: int,
    judged: int,
    sandbox: str | None,
    server: str | None,
) -> None:
    """Looks at files and writes a recipe for them, with what it found beside each setting.

    N completions are looked at (--sample), and of those some are judged (--judge).
    """
    from curation.starting import StartRequest, start_recipe  # noqa: PLC0415 - no other command waits for it

    with _told_of_mistakes():
        if output is not None and output.exists() and not force:
            raise UsageError(f"{output} is there already; give --force to overwrite it, or another --output")
        started = start_recipe(
            StartRequest(
                globs=globs, preset=preset_name or "", completions=completions, judged=judged, sandbox=sandbox,
                server=server,
            )
        )  # fmt: skip
    if output is None:
        click.echo(started.text, nl=False)
    else:
        try:
            output.write_text(started.text, encoding="utf-8")
        except OSError as error:
            _complain([f"cannot write {output}: {error.strerror}"])
            sys.exit(_TROUBLE)
    _complain(started.remarks)
    if output is not None:
        _complain([f"wrote {output}; look it over, then: curate plan {output}"])
    sys.exit(_OK if started.is_whole else _TROUBLE)


@main.command("plan")
@click.argument("recipe", type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--input",
    "globs",
    multiple=True,
    metavar="GLOB",
    help="Parquet or JSON lines, here or in a store; overrules [input] globs.",
)
@click.option("--output", metavar="DIR", help="Where the results would go; overrules [output] dir.")
@click.option("--server", metavar="HOST:PORT", help="A verifier that judges; without it, this process does.")
@click.option("--sandbox", metavar="NAME", help="Where programs run when this process judges: local or docker.")
@click.option(
    "--sample",
    "completions",
    type=click.IntRange(min=1),
    default=500,
    show_default=True,
    metavar="N",
    help="Completions that are tried.",
)
@click.option("--json", "is_json", is_flag=True, help="For machines.")
def plan_command(  # noqa: PLR0917 - click passes them by name
    recipe: Path,
    globs: tuple[str, ...],
    output: str | None,
    server: str | None,
    sandbox: str | None,
    completions: int,
    is_json: bool,  # noqa: FBT001 - click passes it
) -> None:
    """Tells what a run of RECIPE would need and give, and changes nothing.

    Checks files, columns, steps, verifier and disk, and tries the recipe on a sample. Exit status: 0 ready; 1 a run can
    begin, but something needs attention; 2 it cannot.
    """
    from curation.plan_text import plan_json, print_plan  # noqa: PLC0415 - no other command waits for it
    from curation.planning import PlanRequest, make_plan  # noqa: PLC0415

    with _told_of_mistakes():
        text = recipe_text(recipe)
    try:
        plan = make_plan(
            PlanRequest(
                text=text, name=str(recipe), globs=globs, output=output or "", server=server, sandbox=sandbox,
                completions=completions,
            )
        )  # fmt: skip
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    if is_json:
        click.echo(plan_json(plan), nl=False)
    else:
        print_plan(plan, _console())
    sys.exit(plan.status)


@main.command("explain")
@click.argument("wanted", metavar="ID")
@click.argument("directory", type=click.Path(path_type=Path))
def explain_command(wanted: str, directory: Path) -> None:
    """Tells what happened to a prompt (its group_id) and each of its completions, or to one completion (its id).

    DIRECTORY is the output of a run.
    """
    with _told_of_mistakes():
        for line in explained(directory, wanted):
            click.echo(line)


@main.command("status")
@click.argument("directory", type=click.Path(path_type=Path))
def status_command(directory: Path) -> None:
    """Tells how far the run on DIRECTORY is, also from another terminal."""
    with _told_of_mistakes():
        for line in status_of(directory):
            click.echo(line)


@main.command("diff")
@click.argument("one", type=click.Path(path_type=Path))
@click.argument("other", type=click.Path(path_type=Path))
def diff_command(one: Path, other: Path) -> None:
    """Tells which samples came to another end in OTHER than in ONE, and why."""
    with _told_of_mistakes():
        for line in differences(one, other):
            click.echo(line)


@main.command("audit")
@click.argument("directory", type=click.Path(path_type=Path))
def audit_command(directory: Path) -> None:
    """Tells how often the judge model of the run on DIRECTORY agrees with its rules ([judge] audit_percent)."""
    with _told_of_mistakes():
        for line in told(agreement(directory)):
            click.echo(line)


@main.command("report")
@click.argument("directory", type=click.Path(path_type=Path))
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="The page; DIRECTORY/report.html.")
def report_command(directory: Path, output: Path | None) -> None:
    """Writes one HTML page on the run in DIRECTORY, which needs no network."""
    from curation.html_report import write_report  # noqa: PLC0415 - no other command waits for the drawing library

    with _told_of_mistakes():
        try:
            click.echo(write_report(directory, target=output))
        except OSError as error:
            _complain([f"cannot write the report: {error}"])
            sys.exit(_TROUBLE)


@main.group("presets")
def presets_command() -> None:
    """Recipes that come with the package."""


@presets_command.command("list")
def list_presets() -> None:
    """Lists them."""
    for name in preset_names():
        click.echo(name)


@presets_command.command("show")
@click.argument("name")
def show_preset(name: str) -> None:
    """Prints one, to be written to a file and changed."""
    with _told_of_mistakes():
        click.echo(preset(name), nl=False)


@contextmanager
def _told_of_mistakes() -> Iterator[None]:
    """Ends with status 2 and a line where the user asked for what is not there."""
    try:
        yield
    except (UsageError, InvalidRequestError) as error:
        _complain([str(error)])
        sys.exit(_USAGE)


def _plan(
    recipe: Recipe, globs: tuple[str, ...], output: str | None, *, retries_failed: bool, store: Path | None
) -> RunPlan:
    steps = build_steps(recipe)
    recipe = replace(recipe, globs=globs or recipe.globs, output=output or recipe.output)
    if not recipe.output:
        raise UsageError('no output directory; give --output DIR, or [output] dir = "..." in the recipe')
    sources = find_sources(recipe.globs, recipe.storage, output=recipe.output)
    check_columns(sources, recipe.columns, recipe.rows, recipe.schema)
    shards = cut_into_shards(sources)
    return RunPlan(
        recipe=recipe,
        steps=steps,
        shards=shards,
        output=Path(recipe.output),
        retries_failed=retries_failed,
        store=store,
    )


def _placement(engine: str, address: str, processes: int | None, opener: SettingsOpener) -> Placement:
    settings = opener.settings()
    # A server, and containers, serve one client as well as several, and are not to be started for each.
    judges_apart = not settings.server and settings.sandbox == "local"
    if engine == _LOCAL:
        return LocalPlacement(opener, processes=processes, judges_apart=judges_apart, judges_here=not settings.server)
    if processes is not None:
        raise UsageError(
            "--processes counts processes of this machine, and with --engine ray the cluster says how many there are; "
            "leave one of them out"
        )
    try:
        from curation.executors.ray_cluster import RayPlacement  # noqa: PLC0415 - Ray need not be installed
    except ModuleNotFoundError as error:
        if error.name != "ray":
            raise
        raise ClusterError("--engine ray needs Ray, which is not installed: pip install 'assay[ray]'") from error
    return RayPlacement(opener, address=address, judges_here=judges_apart)


def _run(plan: RunPlan, placement: Placement, *, has_costs: bool) -> RunReport:
    collect_rarely()
    with shard_progress() as bar, progress_file(plan.output) as told:
        meter = CostMeter()
        report = asyncio.run(run(plan, placement, Observers(bar, told, meter)))
        if has_costs:
            meter.write(plan.output)
        else:
            # Those of an earlier run are not of this one.
            (plan.output / COSTS).unlink(missing_ok=True)
        if report.stopped:
            told.stopped(report.stopped)
        else:
            told.ended()
    return report


def _tell(plan: RunPlan, report: RunReport) -> int:
    _console().print(funnel(report.entries, [READ, *(step.name for step in plan.steps)]))
    for stage, tally in report.tallies.items() if plan.store is not None else ():
        if tally.asked:
            asked = f"{tally.asked} completions to be {_ASKED[stage]}"
            click.echo(f"{asked}, {tally.recalled} of them known to the verdict store")
    lines = troubles(report.entries, report.unfinished, report.stopped)
    _complain(lines)
    return _TROUBLE if lines else _OK


def _console() -> Console:
    # A pipe has no width; rich would take 80 and cut reasons.
    return Console(width=None if sys.stdout.isatty() else _WIDTH)


def _complain(lines: list[str]) -> None:
    for line in lines:
        click.echo(f"curate: {line}", err=True)
