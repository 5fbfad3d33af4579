"""What a program costs by its language: compiling once, and each run, jailed beside the same commands with no walls.

    python benchmarks/languages.py [--sandbox NAME] [--runs N]

The program of a language is its self-test, which copies its input, so a run is what starting costs. CPU seconds are
those of the compiler and of the program, medians of the runs; they depend little on what else the machine does.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import resource
import statistics
import subprocess
import tempfile
from pathlib import Path

from verifier.errors import SandboxError
from verifier.judging.languages import LANGUAGES, Language
from verifier.sandbox import SANDBOXES, SandboxConfig, StartableSandbox
from verifier.sandbox.base import Job, Limits, StdioRun

TEXT = b"hello\n"
LIMITS = Limits(cpu_time_s=10, memory_bytes=256 << 20)


def bare_cpu_s(command: list[str], directory: str, environment: dict[str, str]) -> float:
    """CPU seconds of a command as it is, which must end well."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, input=TEXT, cwd=directory, env=environment, stdout=subprocess.DEVNULL, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def bare(language: Language, runs: int) -> tuple[float, float]:
    """CPU seconds of compiling and of a run, with no walls."""
    program = language.program(language.echo)
    with tempfile.TemporaryDirectory() as directory:
        Path(directory, program.source_name).write_text(program.source, encoding="utf-8")
        names = {
            "{dir}": directory,
            "{source}": f"{directory}/{program.source_name}",
            "{binary}": f"{directory}/program",
            "{memory_mib}": str(LIMITS.memory_bytes >> 20),
        }

        def filled(words: tuple[str, ...]) -> list[str]:
            found = []
            for word in words:
                for mark, value in names.items():
                    word = word.replace(mark, value)  # noqa: PLW2901
                found.append(word)
            return found

        own = {name: filled((value,))[0] for name, value in program.environment}
        environment = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "HOME": directory, **own}
        compiled = bare_cpu_s(filled(program.compile_command), directory, environment) if program.compile_command else 0
        times = [bare_cpu_s(filled(program.run_command), directory, environment) for _ in range(runs)]
    return compiled, statistics.median(times)


async def jailed(sandbox: StartableSandbox, language: Language, runs: int) -> tuple[float, float]:
    """The same behind all walls."""
    work = Job(
        toolchain=language.toolchain,
        program=language.program(language.echo),
        runs=(StdioRun(stdin=TEXT),) * runs,
        limits=LIMITS,
    )
    result = await sandbox.run(work)
    if any(run.stdout != TEXT for run in result.runs) or len(result.runs) != runs:
        raise SystemExit(f"{language.name} does not work here: {result}")
    compiled = result.compile.cpu_time_s if result.compile and language.compile_command else 0.0
    return compiled, statistics.median(run.cpu_time_s for run in result.runs)


async def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sandbox", default="local", choices=sorted(SANDBOXES))
    parser.add_argument("--runs", type=int, default=9)
    arguments = parser.parse_args()
    sandbox = SANDBOXES[arguments.sandbox](SandboxConfig(slots=1))
    await sandbox.start()
    print("| language | compile, ms | with no walls | run, ms | with no walls | ratio of runs |")
    print("|---|---|---|---|---|---|")
    try:
        for language in {one.name: one for one in LANGUAGES.values()}.values():
            if not language.run_command:
                continue
            try:
                ours = await jailed(sandbox, language, arguments.runs)
            except SandboxError as error:
                print(f"| {language.name} | {error.reason} | | | | |")
                continue
            theirs = bare(language, arguments.runs)
            cells = (ours[0], theirs[0], ours[1], theirs[1])
            numbers = " | ".join(f"{1000 * cell:.0f}" if cell >= 0.01 else f"{1000 * cell:.1f}" for cell in cells)
            print(f"| {language.name} | {numbers} | {ours[1] / theirs[1]:.2f} |")
    finally:
        await sandbox.aclose()


if __name__ == "__main__":
    asyncio.run(main())
