"""Stand-ins that keep the promises of the protocols: verifier, sandbox, engine."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from verifier.engines.local import LocalEngine
from verifier.errors import InfrastructureError, UnknownNameError, UnscorableError
from verifier.recipes import BUILT_IN, Recipe
from verifier.sandbox.base import Job, JobResult, RunResult, RunStatus, SandboxReport, Wall
from verifier.types import EngineInfo, Group, GroupResult, Scored, TestResult, TestStatus, Verdict
from verifier.verifiers.base import Options, Tools, VerifierFactory
from verifier.workers import WorkerPool


class FakeVerifier:
    """Does what the completion's first word says: right, half, wrong, tests, unscorable, failed, slow, hang, bug.

    The prompt may say ``unscorable`` or ``failed``, which holds for the whole group.
    """

    def __init__(self, name: str = "math", options: Options | None = None) -> None:
        self.name = name
        self.options = options or {}
        self.opened: list[str] = []
        self.judged: list[str] = []
        self.stopped: list[str] = []

    def __call__(self, options: Options, tools: Tools) -> FakeVerifier:
        for option in options:
            if option != "strict":
                raise UnknownNameError("option", option, ("strict",))
        self.options = options
        return self

    async def open_group(self, group: Group) -> _FakeJudge:
        self.opened.append(group.id)
        if group.prompt == "unscorable":
            raise UnscorableError("bad_reference", "reference: cannot be read")
        if group.prompt == "failed":
            raise InfrastructureError("worker_lost", "a worker was lost")
        return _FakeJudge(self)


class _FakeJudge:
    def __init__(self, verifier: FakeVerifier) -> None:
        self._verifier = verifier

    async def verify(self, completion: str) -> Verdict:
        self._verifier.judged.append(completion)
        name = self._verifier.name
        try:
            match completion.partition(" ")[0]:
                case "right":
                    return Verdict.correct(name, "equal", f"read {completion!r}")
                case "half":
                    return Verdict.incorrect(name, "partial", score=0.5)
                case "tests":
                    results = (TestResult(name="stdio[0]", status=TestStatus.WA, detail="line 1"),)
                    verdict = Verdict.incorrect(name, "WA")
                    return Verdict(
                        verifier=name, outcome=verdict.outcome, score=0.0, reason=verdict.reason, tests=results
                    )
                case "unscorable":
                    raise UnscorableError("bad_task", "the task is bad")
                case "failed":
                    raise InfrastructureError("worker_lost", "a worker was lost")
                case "slow":
                    await asyncio.sleep(0.3)
                    return Verdict.correct(name, "equal")
                case "hang":
                    await asyncio.sleep(3600)
                case "bug":
                    raise ZeroDivisionError("a bug")
                case _:
                    pass
        except asyncio.CancelledError:
            self._verifier.stopped.append(completion)
            raise
        return Verdict.incorrect(name, "not_equal")


class FakeSandbox:
    """Every program exits well and prints what it read."""

    def __init__(self, *, is_ready: bool = True) -> None:
        self.is_ready = is_ready
        self.is_closed = False

    async def run(self, job: Job) -> JobResult:
        return JobResult(compile=None, runs=tuple(RunResult(status=RunStatus.EXITED) for _ in job.runs))

    async def report(self) -> SandboxReport:
        return SandboxReport(
            backend="fake",
            is_ready=self.is_ready,
            walls=(
                Wall(name="network", stands=self.is_ready, required=True, detail="a namespace of its own"),
                Wall(name="landlock", stands=False, required=False, detail="kernel too old"),
            ),
            toolchains=("python",),
            remedy="" if self.is_ready else "allow user namespaces",
        )

    async def aclose(self) -> None:
        self.is_closed = True


class FakeEngine:
    """An engine with no verifiers: each completion ``right`` is worth 1, any other 0."""

    def __init__(self) -> None:
        self.is_closed = False

    async def verify(self, group: Group) -> GroupResult:
        return GroupResult(
            id=group.id,
            scores=tuple(
                Scored(reward=verdict.score, verdicts=(verdict,))
                for verdict in (
                    Verdict.correct("fake", "equal") if completion == "right" else Verdict.incorrect("fake", "other")
                    for completion in group.completions
                )
            ),
        )

    def at_once(self, group: Group, *, is_well_formed: bool = False) -> GroupResult | None:
        return None

    async def info(self) -> EngineInfo:
        return INFO

    async def aclose(self) -> None:
        self.is_closed = True


INFO = EngineInfo(
    version="0", verifiers=("math", "code"), recipes=("accuracy",), sandboxes=("fake",), config_hash="0" * 16
)


def fake_tools() -> Tools:
    """Tools for verifiers that use none of them."""
    return Tools(workers=WorkerPool(tasks={}, size=1), sandbox=FakeSandbox())


def fake_local_engine(
    recipes: Mapping[str, Recipe] | None = None,
    *,
    verifiers: Mapping[str, VerifierFactory] | None = None,
    max_pending_completions: int = 4096,
    max_completion_bytes: int = 2 << 20,
) -> LocalEngine:
    """A ``LocalEngine`` whose four verifiers are fakes."""
    return LocalEngine(
        recipes=recipes or BUILT_IN,
        default_recipe="accuracy",
        verifiers=verifiers or {name: FakeVerifier(name) for name in ("math", "code", "format", "language")},
        tools=fake_tools(),
        info=INFO,
        max_pending_completions=max_pending_completions,
        max_completion_bytes=max_completion_bytes,
    )


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - it is another's state that we wait for
            await asyncio.sleep(0.01)
