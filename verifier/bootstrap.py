"""Where the parts are put together: settings in, an open engine out."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import platform
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, closing
from importlib.metadata import version
from pathlib import Path

from verifier.engines.base import Engine
from verifier.engines.local import LocalEngine, terms_of
from verifier.engines.store import VerdictStore
from verifier.engines.stored import StoredEngine
from verifier.errors import InvalidRequestError, SandboxError, UnknownNameError
from verifier.generative.chat import Connections
from verifier.generative.judge import JUDGE
from verifier.generative.options import identity_of, judge_options
from verifier.recipes import BUILT_IN, Recipe, load_recipes
from verifier.sandbox import DOCKER, SANDBOXES, SandboxConfig, StartableSandbox
from verifier.settings import Settings
from verifier.types import EngineInfo
from verifier.verifiers import TASKS, VERIFIERS
from verifier.verifiers.base import Tools
from verifier.workers import WorkerPool

_DISTRIBUTION = "assay"
_DECIDING = ("math-verify", "sympy", "latex2sympy2_extended", "python-flint", "langdetect", "py3langid")
"""Distributions whose version can change a verdict."""
_LOGGER = logging.getLogger(__name__)


@asynccontextmanager
async def open_engine(settings: Settings, *, is_ready: bool = True, store: Path | None = None) -> AsyncIterator[Engine]:
    """An engine that is closed, with every process it started, when the block ends.

    Args:
        settings: with ``server`` it is a ``RemoteEngine``, else a ``LocalEngine``.
        is_ready: whether its processes are started at once; else each starts when it is first needed, which suits
            those who may need none. Containers always start, as what a crashed server left goes first.
        store: file of verdicts that are known; with one it is a ``StoredEngine`` over the other. None knows none.

    Raises:
        InvalidRequestError: a setting, recipe or store that cannot be used.
        InfrastructureError: a worker could not start.
        ServerUnavailableError: the server cannot be reached.
    """
    async with AsyncExitStack() as stack:
        verdicts = None if store is None else stack.enter_context(closing(VerdictStore(store)))
        engine = await stack.enter_async_context(_judging(settings, is_ready=is_ready))
        if verdicts is not None:
            limit = settings.max_pending_completions
            engine = StoredEngine(engine, verdicts, await engine.info(), max_completions=limit)
            stack.push_async_callback(engine.aclose)
        yield engine


@asynccontextmanager
async def _judging(settings: Settings, *, is_ready: bool) -> AsyncIterator[Engine]:
    async with AsyncExitStack() as stack:
        if settings.server:
            from verifier.engines.remote import RemoteEngine  # noqa: PLC0415 - no other engine waits for gRPC

            remote = RemoteEngine(settings.server, deadline_s=settings.deadline_s)
            stack.push_async_callback(remote.aclose)
            await remote.connect()
            yield remote
            return
        recipes = recipes_of(settings)
        sandbox = make_sandbox(settings)
        stack.push_async_callback(sandbox.aclose)
        workers = WorkerPool(tasks=TASKS, size=settings.workers)
        connections = Connections()
        stack.push_async_callback(connections.aclose)
        local = LocalEngine(
            recipes=recipes,
            default_recipe=settings.recipe,
            verifiers=VERIFIERS,
            tools=Tools(workers=workers, sandbox=sandbox, connections=connections),
            info=_info(settings, recipes),
            max_pending_completions=settings.max_pending_completions,
            max_completion_bytes=settings.max_completion_bytes,
        )
        stack.push_async_callback(workers.aclose)
        stack.push_async_callback(local.aclose)
        if not is_ready:
            workers.open()
            if settings.sandbox == DOCKER:
                await _warm(sandbox)
            yield local
            return
        # Two lone calls rather than a task group, so that callers catch our error and not a group of it.
        warmed = asyncio.create_task(_warm(sandbox))
        try:
            await workers.start()
            await warmed
        finally:
            warmed.cancel()
        yield local


def recipes_of(settings: Settings) -> Mapping[str, Recipe]:
    """The built-in recipes and those of the user's file.

    Raises:
        InvalidRequestError: the file cannot be used.
    """
    return load_recipes(settings.recipes_file, terms_of(VERIFIERS)) if settings.recipes_file else BUILT_IN


def make_sandbox(settings: Settings) -> StartableSandbox:
    """The backend that the settings name; starts nothing yet.

    Raises:
        UnknownNameError: there is no such backend.
    """
    if settings.sandbox not in SANDBOXES:
        raise UnknownNameError("sandbox", settings.sandbox, tuple(SANDBOXES))
    return SANDBOXES[settings.sandbox](
        SandboxConfig(
            slots=settings.sandbox_slots,
            image_prefix=settings.image_prefix,
            image_tag=settings.image_tag,
            runtime=settings.docker_runtime,
        )
    )


async def _warm(sandbox: StartableSandbox) -> None:
    try:
        await sandbox.start()
    except SandboxError as error:
        # Mathematics needs no sandbox, so the engine opens all the same and each program is answered FAILED.
        _LOGGER.warning("code cannot be judged: %s; see verifier doctor", error)


def package_version() -> str:
    """Version of this package."""
    return version(_DISTRIBUTION)


def _info(settings: Settings, recipes: Mapping[str, Recipe]) -> EngineInfo:
    others = sorted(name for name in SANDBOXES if name != settings.sandbox)
    return EngineInfo(
        version=package_version(),
        verifiers=tuple(sorted(VERIFIERS)),
        recipes=tuple(sorted(recipes)),
        sandboxes=(settings.sandbox, *others),
        config_hash=_config_hash(settings, recipes),
        default_recipe=settings.recipe,
    )


def _judges(recipe: Recipe) -> list[str]:
    """What its judge models are: a template may be a file, whose name stays when its text changes."""
    try:
        return [identity_of(judge_options(term.options)) for term in recipe.terms if term.name == JUDGE]
    except InvalidRequestError as error:
        raise InvalidRequestError(f"recipe {recipe.name}, term {JUDGE}: {error}") from error


def _config_hash(settings: Settings, recipes: Mapping[str, Recipe]) -> str:
    deciding = {
        "versions": {name: version(name) for name in (_DISTRIBUTION, *_DECIDING)},
        "default_recipe": settings.recipe,
        # With it comes another Unicode, by which texts are read.
        "python": platform.python_version_tuple()[:2],
        "sandbox": settings.sandbox,
        "images": [settings.image_prefix, settings.image_tag, settings.docker_runtime] * (settings.sandbox == DOCKER),
        "max_completion_bytes": settings.max_completion_bytes,
        "recipes": {
            name: [
                recipe.gate_reward,
                [[term.name, term.weight, term.is_gate, dict(term.options)] for term in recipe.terms],
            ]
            for name, recipe in recipes.items()
        },
    }
    deciding["judges"] = {name: _judges(recipe) for name, recipe in recipes.items()}
    text = json.dumps(deciding, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
