"""The group of commands, and how their errors are told: one short line with the remedy, never a trace."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import ParamSpec

import click

from verifier.bootstrap import package_version
from verifier.cli import doctor as doctor_command
from verifier.cli import score as score_command
from verifier.engines.store import STORE_VARIABLE
from verifier.errors import InvalidRequestError, VerifierError
from verifier.formats import FORMATS
from verifier.sandbox.images import DEFAULT_BASE, build_images
from verifier.server.app import serve as run_server
from verifier.settings import load_settings
from verifier.telemetry import set_up_logging

P = ParamSpec("P")

_BAD_REQUEST = 2
_INTERRUPTED = 130


def _told(command: Callable[P, int | None]) -> Callable[P, None]:
    """The command with our errors as one line on standard error, and its number as exit status."""

    @wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        status: int | None
        try:
            status = command(*args, **kwargs)
        except VerifierError as error:
            click.echo(f"verifier: {error}", err=True)
            status = _BAD_REQUEST if isinstance(error, InvalidRequestError) else 1
        except ExceptionGroup as errors:
            ours, others = errors.split(OSError)
            if others is not None or ours is None:
                raise
            click.echo(f"verifier: {_first(ours)}", err=True)
            status = 1
        except OSError as error:
            click.echo(f"verifier: {error}", err=True)
            status = 1
        except KeyboardInterrupt:
            status = _INTERRUPTED
        raise SystemExit(status or 0)

    return run


def _first(errors: ExceptionGroup[OSError]) -> OSError:
    error = errors.exceptions[0]
    return _first(error) if isinstance(error, ExceptionGroup) else error


_config = click.option("--config", metavar="FILE", help="TOML file of settings.")
_sandbox = click.option("--sandbox", metavar="NAME", help="Where programs run: local (default) or docker.")
_recipes = click.option("--recipes", metavar="FILE", help="TOML file of your own recipes.")
_workers = click.option("--workers", type=int, metavar="N", help="Judging processes; one a processor by default.")


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_version(), prog_name="verifier")
def main() -> None:
    """Judges completions of reasoning models: mathematics, programs, format and language."""


@main.command()
@click.option("--bind", metavar="HOST:PORT", help="Address to listen on; port 0 takes a free one.")
@_sandbox
@_recipes
@click.option("--recipe", metavar="NAME", help="Recipe of the groups that name none.")
@_workers
@click.option("--drain", "drain_s", type=float, metavar="SECONDS", help="Time for calls in flight on SIGTERM.")
@click.option("--max-pending", type=int, metavar="N", help="Completions that may wait or be judged at once.")
@click.option("--reflection/--no-reflection", default=None, help="Answer gRPC reflection (default: yes).")
@_config
@_told
def serve(
    *,
    bind: str | None,
    sandbox: str | None,
    recipes: str | None,
    recipe: str | None,
    workers: int | None,
    drain_s: float | None,
    max_pending: int | None,
    reflection: bool | None,
    config: str | None,
) -> None:
    """Serves verifier.v1 over gRPC until SIGTERM, then drains."""
    settings = load_settings(
        config,
        bind=bind,
        sandbox=sandbox,
        recipes_file=recipes,
        recipe=recipe,
        workers=workers,
        drain_s=drain_s,
        max_pending_completions=max_pending,
        reflection=reflection,
    )
    set_up_logging(settings.log_level)
    asyncio.run(run_server(settings, lambda address: click.echo(f"listening on {address}")))


@main.command()
@click.argument("source", metavar="[INPUT.jsonl|-]", default="-")
@click.option("-o", "--output", metavar="FILE", default="-", help="Where the results go; standard output by default.")
@click.option("--format", "format_name", metavar="NAME", help="Lines are rows of a dataset; see verifier formats.")
@click.option("--completions", metavar="FILE", help="Completions, joined to the rows of --format by the task's id.")
@click.option("--solutions", is_flag=True, help="Judge the own solutions of the dataset of --format.")
@click.option("--language", metavar="NAME", help="Language of the programs, where the tests of --format fit any.")
@click.option("--time-limit", "time_limit_s", type=float, metavar="SECONDS", help="CPU time, where a row gives none.")
@click.option("--server", metavar="HOST:PORT", help="Judge on this server instead of in this process.")
@click.option("--recipe", metavar="NAME", help="Recipe of every group, in place of the one its line names.")
@_sandbox
@_recipes
@_workers
@click.option(
    "--store",
    type=click.Path(dir_okay=False, path_type=Path),
    envvar=STORE_VARIABLE,
    show_envvar=True,
    help="File of verdicts kept by content, shared with curate run; default: assay/verdicts.sqlite in the user's "
    "cache.",
)
@click.option("--no-store", is_flag=True, help="Judges all, and keeps no verdict for other runs.")
@click.option("--table", is_flag=True, help="Print a readable table; JSON goes only where -o says.")
@_config
@_told
def score(
    *,
    source: str,
    output: str,
    format_name: str | None,
    completions: str | None,
    solutions: bool,
    language: str | None,
    time_limit_s: float | None,
    server: str | None,
    recipe: str | None,
    sandbox: str | None,
    recipes: str | None,
    workers: int | None,
    store: Path | None,
    no_store: bool,
    table: bool,
    config: str | None,
) -> None:
    """Judges JSON Lines: one group a line in, one result a line out, in the same order.

    A malformed line is answered in its place. The exit status is 0 when every line was answered.
    """
    settings = load_settings(config, server=server, sandbox=sandbox, recipes_file=recipes, workers=workers)
    set_up_logging(settings.log_level)
    rows = score_command.RowOptions(
        format=format_name or "",
        completions=completions or "",
        is_own=solutions,
        language=language or "",
        time_limit_s=time_limit_s,
    )
    known = None if no_store else store or score_command.usable_default_store()
    score_command.score(
        settings, source=source, output=output, recipe=recipe or "", is_table=table, rows=rows, store=known
    )


@main.command()
@_told
def formats() -> None:
    """Lists the formats of --format: their datasets, and the fields that they read (in brackets: may be missing)."""
    for one in FORMATS.values():
        click.echo(f"{one.name}\n    {one.source}\n    id: {', '.join(one.ids)}; reads: {', '.join(one.fields)}")


@main.command()
@_sandbox
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@_config
@_told
def doctor(*, sandbox: str | None, as_json: bool, config: str | None) -> int:
    """Says which walls and toolchains each sandbox has here, and what to do where some are missing.

    The exit status is 1 when the chosen sandbox is not ready.
    """
    return doctor_command.doctor(load_settings(config, sandbox=sandbox), is_json=as_json)


@main.group()
def images() -> None:
    """Images of the docker sandbox."""


@images.command()
@click.argument("names", metavar="[NAME]...", nargs=-1)
@click.option("--base", metavar="IMAGE", default=DEFAULT_BASE, show_default=True, help="Debian or Ubuntu to build on.")
@click.option("--tag", metavar="TAG", help="Tag of the images.")
@_config
@_told
def build(*, names: tuple[str, ...], base: str, tag: str | None, config: str | None) -> None:
    """Builds the images of these toolchains, or of all."""
    settings = load_settings(config, image_tag=tag)
    built = build_images(
        names,
        base=base,
        prefix=settings.image_prefix,
        tag=settings.image_tag,
        progress=lambda line: click.echo(line, err=True),
    )
    for name in built:
        click.echo(name)
