"""What this machine can do: versions, and for each sandbox its walls, toolchains and remedy."""

from __future__ import annotations

import asyncio
import json
import platform
from dataclasses import asdict, replace
from importlib.metadata import PackageNotFoundError, version

import click
from rich.console import Console
from rich.text import Text

from verifier.bootstrap import make_sandbox, package_version
from verifier.errors import InfrastructureError
from verifier.sandbox import SANDBOXES
from verifier.sandbox.base import SandboxReport, Wall
from verifier.settings import Settings

_DISTRIBUTIONS = ("grpcio", "protobuf", "math-verify", "sympy", "langdetect", "py3langid", "docker", "polars")


def doctor(settings: Settings, *, is_json: bool) -> int:
    """Prints the report and gives the exit status: 1 when the chosen sandbox is not ready.

    Raises:
        UnknownNameError: the settings name no sandbox that there is.
    """
    asyncio.run(make_sandbox(settings).aclose())
    reports = asyncio.run(_reports(settings))
    versions = _versions()
    if is_json:
        click.echo(json.dumps(_as_json(settings, versions, reports), indent=2))
    else:
        _print(settings, versions, reports)
    return 0 if reports[settings.sandbox].is_ready else 1


async def _reports(settings: Settings) -> dict[str, SandboxReport]:
    return {name: await _report(replace(settings, sandbox=name, sandbox_slots=1)) for name in SANDBOXES}


async def _report(settings: Settings) -> SandboxReport:
    sandbox = make_sandbox(settings)
    try:
        return await sandbox.report()
    except InfrastructureError as error:
        return SandboxReport(
            backend=settings.sandbox, is_ready=False, walls=(), toolchains=(), remedy=error.detail or error.reason
        )
    finally:
        await sandbox.aclose()


def _versions() -> dict[str, str]:
    versions = {"assay": package_version(), "python": platform.python_version(), "kernel": platform.release()}
    for name in _DISTRIBUTIONS:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = "missing"
    return versions


def _as_json(settings: Settings, versions: dict[str, str], reports: dict[str, SandboxReport]) -> dict[str, object]:
    return {
        "is_ready": reports[settings.sandbox].is_ready,
        "sandbox": settings.sandbox,
        "versions": versions,
        "sandboxes": {name: asdict(report) for name, report in reports.items()},
    }


def _print(settings: Settings, versions: dict[str, str], reports: dict[str, SandboxReport]) -> None:
    console = Console(highlight=False)
    console.print("  ".join(f"{name} {number}" for name, number in versions.items()), soft_wrap=True)
    for name, report in reports.items():
        chosen = " (chosen)" if name == settings.sandbox else ""
        state = ("ready", "green") if report.is_ready else ("not ready", "red")
        console.print()
        console.print(Text.assemble((f"sandbox {name}{chosen}: ", "bold"), state))
        for wall in report.walls:
            console.print(_wall(wall), soft_wrap=True)
        if report.toolchains:
            console.print(f"  toolchains: {', '.join(report.toolchains)}", soft_wrap=True)
        if report.remedy:
            console.print(Text.assemble(("  remedy: ", "bold"), report.remedy), soft_wrap=True)


def _wall(wall: Wall) -> Text:
    state = ("stands ", "green") if wall.stands else ("missing", "red" if wall.required else "yellow")
    need = "required" if wall.required else "optional"
    return Text.assemble("  ", state, f"  {need}  {wall.name:12}  {wall.detail}")
