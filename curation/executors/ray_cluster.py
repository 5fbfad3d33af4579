"""Jobs on the nodes of a Ray cluster, which see the run directory and the inputs under the same paths.

Ray only places work: a task gets a job, which is paths and numbers, and gives back counts, names and decisions; no text
goes through its object store. A job that loses its process or its node is tried elsewhere. Shards are judged by one
actor a node, each with an engine and worker processes of its own; what needs no waiting, already by the tasks that read
them. The verdict store stays one file on the machine of
the command, in an actor there: SQLite cannot be shared over a network.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import threading
import time
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import ray
from ray import exceptions as ray_errors
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from curation.errors import ClusterError, ClusterStoppedError
from curation.executors.early import AtHand
from curation.executors.jobs import RETRIES, Answered, AskShard, Job, Lost, Means, Site, asks_early, done, given_up
from curation.executors.placement import Asked, EngineOpener, Jobs, asked_of, in_turn
from verifier.engines.base import Engine
from verifier.engines.store import Record, Verdicts, VerdictStore, as_records, from_texts
from verifier.generative.patience import Patience
from verifier.types import EngineInfo, Scored

T = TypeVar("T")
Remote: TypeAlias = Any
"""A reference to a result, or a handle of an actor; Ray gives them no type that can be checked."""

_AHEAD = 2
"""Jobs that are with Ray, in processors of the cluster: one at work and one to follow."""
_OBJECT_STORE_BYTES = 128 << 20
_CONNECT_S = 10.0
_LOOK_S = 1.0
"""Between two looks at how far an actor is, and which nodes there are."""
_PATIENCE_S = 300.0
"""Without a node, before a run stops; a cluster that grows by itself needs minutes."""
_CLOSE_S = 20.0
_PENDING_VERDICTS = 2_048
_BATCHES_AHEAD = 4
_PACKAGES = ("assay", "polars", "pyarrow")
_LOST_PROCESS = (
    ray_errors.WorkerCrashedError,
    ray_errors.NodeDiedError,
    ray_errors.LocalRayletDiedError,
    ray_errors.OutOfMemoryError,
    ray_errors.ActorDiedError,
    ray_errors.ActorUnavailableError,
    ray_errors.ObjectLostError,
)


class RayPlacement:
    """A Ray cluster.

    Args:
        open_engine: opens what judges, on a node; must be a value that can be sent there.
        address: ``HOST:PORT`` of a cluster, ``auto`` for the one that runs on this machine, ``local`` to start one for
            this run.
        judges_here: whether each process of a node may open an engine; not where that is a server or starts containers.
    """

    def __init__(self, open_engine: EngineOpener, *, address: str = "local", judges_here: bool = True) -> None:
        self._open_engine = open_engine
        self._address = address
        self._judges_here = judges_here

    @asynccontextmanager
    async def opened(
        self,
        *,
        judges: bool,
        store: Path | None,
        input_bytes: int,  # noqa: ARG002 - the protocol's
    ) -> AsyncIterator[RayCrew]:
        """The crew; see ``Placement``.

        Raises:
            ClusterError: there is no such cluster.
            InvalidRequestError: the verdict store cannot be used.
        """
        _connect(self._address)
        try:
            crew = RayCrew(self._open_engine if judges else None, judges_at_once=judges and self._judges_here)
            if store is not None:
                await crew.open_store(store)
            try:
                yield crew
            finally:
                await crew.aclose()
        finally:
            ray.shutdown()


def _connect(address: str) -> None:
    # Polars would take every processor for each of the jobs that share them.
    options: dict[str, Any] = {"runtime_env": {"env_vars": {"POLARS_MAX_THREADS": "1"}}}
    if address == "local":
        # Nobody asked for a cluster of its own to send reports of its use to Ray's makers.
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        options["num_cpus"] = len(os.sched_getaffinity(0))
        options["object_store_memory"] = _OBJECT_STORE_BYTES
        options["include_dashboard"] = False
    else:
        _check_address(address)
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, **options)
    except (ConnectionError, TimeoutError, ValueError, RuntimeError, ray_errors.RayError) as error:
        first = (str(error) or type(error).__name__).splitlines()[0]
        raise ClusterError(f"--address {address}: the cluster cannot be used: {first}") from error


def _check_address(address: str) -> None:
    """Refuses at once what Ray would try for minutes.

    Raises:
        ClusterError: nothing answers there.
    """
    if address == "auto":
        return
    host, _, port = address.rpartition(":")
    if "://" in address or not host or not port.isdigit():
        raise ClusterError(
            f"--address {address}: expected HOST:PORT of the cluster's head (that of ray start), auto or local; "
            f"run the command on a node of the cluster"
        )
    try:
        socket.create_connection((host, int(port)), timeout=_CONNECT_S).close()
    except OSError as error:
        raise ClusterError(
            f"--address {address}: no cluster answers there ({error.strerror or error}); start one with "
            f"ray start --head, or see ray status"
        ) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class _Origin:
    """What a process of a node must have in common with the command.

    Args:
        folder: that the paths of inputs are relative to.
        versions: of the packages that decide or write.
    """

    folder: str
    versions: Mapping[str, str]

    @classmethod
    def here(cls) -> _Origin:
        return cls(folder=str(Path.cwd()), versions=_versions())

    def settle(self, site: Site) -> None:
        """Makes this process one that can do the jobs of the command.

        Raises:
            ClusterStoppedError: it cannot be one.
        """
        for name, wanted in self.versions.items():
            if _versions()[name] != wanted:
                raise ClusterStoppedError(
                    f"node {_node()} has {name} {_versions()[name]}, and the command has {wanted}: install the same "
                    f"packages on all nodes"
                )
        if Path(self.folder).is_dir():
            os.chdir(self.folder)
        if not site.path.is_dir():
            raise ClusterStoppedError(
                f"node {_node()} does not see {site.path.absolute()}: output and inputs must lie on a file system that "
                f"all nodes have under the same path"
            )


@cache
def _versions() -> Mapping[str, str]:
    return {name: version(name) for name in _PACKAGES}


def _node() -> str:
    return str(ray.util.get_node_ip_address())


@dataclass(frozen=True, slots=True, kw_only=True)
class _Order:
    """What all jobs of one pass share, sent once and kept by each process that does some of them."""

    reference: Remote

    @classmethod
    def of(cls, site: Site, open_engine: EngineOpener | None = None, store: Remote = None) -> _Order:
        return cls(reference=ray.put((_Origin.here(), site, open_engine, store)))

    def site(self) -> Site:
        """The site, in a process that fits it.

        Raises:
            ClusterStoppedError: this one does not.
        """
        return _settled(self)

    def __hash__(self) -> int:
        return hash(self.reference)


@lru_cache(1)
def _settled(order: _Order) -> Site:
    origin: _Origin
    site: Site
    origin, site, _, _ = ray.get(order.reference)
    origin.settle(site)
    return site


@lru_cache(1)
def _at_hand(order: _Order) -> AtHand | None:
    """What this process judges with, as long as it lives; None where that is another engine than the command's."""
    site: Site
    open_engine: EngineOpener | None
    _, site, open_engine, store = ray.get(order.reference)
    if open_engine is None:
        return None
    context = open_engine(1)
    loop = asyncio.new_event_loop()
    engine = loop.run_until_complete(context.__aenter__())
    if loop.run_until_complete(engine.info()).config_hash != site.identity.engine_hash:
        loop.run_until_complete(context.__aexit__(None, None, None))
        return None
    _LIVING.append((loop, context))
    return AtHand(engine=engine, store=None if store is None else _RemoteStore(store))


_LIVING: list[object] = []
"""What engines of this process need until it ends."""


def _done_here(order: _Order, job: Job[T]) -> T | Lost:
    return done(job, order.site(), _at_hand(order) if asks_early(job) else None)


_do = ray.remote(num_cpus=1, max_retries=RETRIES)(_done_here)


class _Store:
    """The verdict store, on the machine of the command."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._store: VerdictStore | None = None

    def find(self, keys: Sequence[bytes]) -> Mapping[bytes, str]:
        return self._opened().find_texts(keys)

    def add(self, entries: Mapping[bytes, Record]) -> None:
        """Answered when they are on disk."""
        self._opened().add_records(entries)
        self._opened().flush()

    def _opened(self) -> VerdictStore:
        # Not as the actor is made: an error then would come as that of a lost actor.
        if self._store is None:
            self._store = VerdictStore(self._path)
        return self._store


_StoreActor = ray.remote(num_cpus=0, max_restarts=-1, max_task_retries=RETRIES)(_Store)


def _store_here(path: Path) -> Remote:
    """The store's actor, on this machine."""
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    return _StoreActor.options(scheduling_strategy=here).remote(path.absolute())


class _RemoteStore:
    """The way to the store from another process."""

    def __init__(self, actor: Remote) -> None:
        self._actor = actor
        self._pending: dict[bytes, Record] = {}
        self._sent: deque[Remote] = deque()

    def find(self, keys: Sequence[bytes]) -> Mapping[bytes, Scored]:
        """The verdicts that are known."""
        return from_texts(ray.get(self._actor.find.remote(list(keys)))) if keys else {}

    def add(self, entries: Iterable[tuple[bytes, Scored]]) -> None:
        """Keeps verdicts, in batches."""
        # As texts: to send thousands of small objects costs more than to judge.
        self._pending.update(as_records(entries))
        if len(self._pending) >= _PENDING_VERDICTS:
            self._send()

    def flush(self) -> None:
        """Waits until all are written."""
        if self._pending:
            self._send()
        ray.get(list(self._sent))
        self._sent.clear()

    def _send(self) -> None:
        self._sent.append(self._actor.add.remote(self._pending))
        self._pending = {}
        while len(self._sent) > _BATCHES_AHEAD:
            ray.get(self._sent.popleft())


class _Verifier:
    """An engine on a node, or a way to a judge model. Of its two threads one asks, the other tells how far that is.

    It asks Ray for no processor: it works when no tasks do, and they want the processors meanwhile.
    """

    def __init__(self, open_engine: EngineOpener | None, processors: int, store: Remote) -> None:
        self._opened = open_engine, processors
        self._store: Verdicts | None = None if store is None else _RemoteStore(store)
        self._judged = 0
        self._waited_for = ""
        self._patience = Patience(self._wait_for)
        # The engine lives between calls, so its loop must, too.
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, name="engine", daemon=True).start()
        self._context: AbstractAsyncContextManager[Engine] | None = None
        self._engine: Engine | None = None

    def info(self) -> EngineInfo | None:
        """Opens the engine; None where there is none.

        Raises:
            AssayError: it cannot be opened.
        """
        return self._wait(self._info())

    async def _info(self) -> EngineInfo | None:
        engine = await self._open()
        return None if engine is None else await engine.info()

    def ask(self, order: _Order, job: AskShard) -> Answered | Lost:
        self._judged = 0
        return self._wait(self._ask(order.site(), job))

    async def _ask(self, site: Site, job: AskShard) -> Answered | Lost:
        if site.recipe.judge is not None:
            site.recipe.judge.check()
        means = Means(engine=await self._open(), advance=self._advance, store=self._store, patience=self._patience)
        return await job.run(site, means)

    def judged(self) -> tuple[int, str]:
        """Completions of the shard so far, and what a judge model is waited for; empty for nothing."""
        return self._judged, self._waited_for

    def close(self) -> None:
        """Ends the processes of the engine."""
        if self._context is not None:
            self._wait(self._context.__aexit__(None, None, None))

    def _advance(self, count: int) -> None:
        self._judged += count

    def _wait_for(self, told: str) -> None:
        self._waited_for = told

    async def _open(self) -> Engine | None:
        open_engine, processors = self._opened
        if self._engine is None and open_engine is not None:
            self._context = open_engine(processors)
            self._engine = await self._context.__aenter__()
        return self._engine

    def _wait(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()


_VerifierActor = ray.remote(num_cpus=0, max_restarts=0, max_concurrency=2)(_Verifier)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Node:
    name: str
    address: str
    processors: int


class _Nodes:
    """The nodes that have processors, and how long there have been none."""

    def __init__(self) -> None:
        self._seen = time.monotonic()
        self._looked = 0.0
        self._found: list[_Node] = []

    async def alive(self) -> list[_Node]:
        """All of them, as they were no more than a second ago, in an order that stays.

        Raises:
            ClusterStoppedError: there has been none for too long.
        """
        now = time.monotonic()
        if now - self._looked < _LOOK_S:
            return self._found
        found = [
            _Node(name=node["NodeID"], address=node["NodeManagerAddress"], processors=processors)
            for node in await asyncio.to_thread(ray.nodes)
            if node["Alive"] and (processors := int(node["Resources"].get("CPU", 0)))
        ]
        self._looked = now
        if found:
            self._seen = now
        elif now - self._seen > _PATIENCE_S:
            raise ClusterStoppedError(f"the cluster has had no node with a processor for {_PATIENCE_S:.0f} s")
        self._found = sorted(found, key=lambda node: node.name)
        return self._found


class RayCrew:
    """Tasks for jobs, and an actor on each node for asking.

    Args:
        open_engine: opens what judges, on a node; None where nothing does.
        judges_at_once: whether tasks open it, too.
    """

    def __init__(self, open_engine: EngineOpener | None, *, judges_at_once: bool) -> None:
        self._open_engine = open_engine
        self.judges_at_once = judges_at_once
        self._store: Remote = None
        self._verifiers: dict[str, Remote] = {}
        self._deaths: dict[str, int] = {}
        self._info: EngineInfo | None = None

    async def open_store(self, path: Path) -> None:
        """Opens the verdict store on this machine.

        Raises:
            InvalidRequestError: it cannot be used.
        """
        self._store = _store_here(path)
        await _result(self._store.find.remote([]))

    async def engine_info(self) -> EngineInfo:
        """Of the engine on the first node; the others must be like it."""
        nodes = _Nodes()
        while self._info is None:
            for node in (await nodes.alive())[:1]:
                await self._verifier(node)
            if self._info is None:
                await asyncio.sleep(_LOOK_S)
        return self._info

    async def each(self, site: Site, jobs: Jobs[T]) -> AsyncGenerator[T | Lost, None]:
        """Does jobs; see ``Crew``."""
        order, nodes = _Order.of(site, self._open_engine if self.judges_at_once else None, self._store), _Nodes()
        begun: deque[tuple[Job[T], Remote]] = deque()
        try:
            async for job in in_turn(jobs):
                begun.append((job, _do.remote(order, job)))
                while len(begun) > _AHEAD * sum(node.processors for node in await nodes.alive()):
                    yield await self._done(*begun[0], nodes)
                    begun.popleft()
            while begun:
                yield await self._done(*begun[0], nodes)
                begun.popleft()
        finally:
            await _abandon([reference for _, reference in begun])

    @staticmethod
    async def _done(job: Job[T], reference: Remote, nodes: _Nodes) -> T | Lost:
        work: asyncio.Future[Any] = asyncio.ensure_future(_result(reference))
        try:
            while not (await asyncio.wait({work}, timeout=_PATIENCE_S / 10))[0]:
                await nodes.alive()
            outcome: T | Lost = await work
        except _LOST_PROCESS as error:
            why = given_up(_first(error))
            if job.shard:
                return Lost(shard=job.shard, error=why)
            raise ClusterStoppedError(f"{job.name}: {why}") from error
        else:
            return outcome
        finally:
            work.cancel()

    async def ask(
        self, site: Site, jobs: Sequence[AskShard], advance: Callable[[int], None], waits: Callable[[str], None]
    ) -> AsyncGenerator[Answered | Lost, None]:
        """Asks about shards, one at a time on each node; see ``Crew``."""
        asked = asked_of(jobs, advance, waits)
        waiting = deque(asked)
        tending = asyncio.create_task(self._tend(_Order.of(site), waiting))
        try:
            for one in asked:
                ends: set[asyncio.Future[Any]] = {one.answer, tending}
                await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
                if not one.answer.done():
                    tending.result()  # it ends by an error alone
                yield one.answer.result()
        finally:
            tending.cancel()
            await asyncio.gather(tending, return_exceptions=True)
            for one in asked:
                one.dismiss()

    async def _tend(self, order: _Order, waiting: deque[Asked]) -> None:
        """Keeps every node at work, also those that join."""
        nodes = _Nodes()
        busy: dict[str, asyncio.Task[None]] = {}
        try:
            while True:
                for name, work in list(busy.items()):
                    if work.done():
                        work.result()
                        del busy[name]
                for node in await nodes.alive() if waiting else ():
                    if node.name not in busy:
                        busy[node.name] = asyncio.create_task(self._serve(node, order, waiting))
                if busy:
                    await asyncio.wait(busy.values(), timeout=_LOOK_S, return_when=asyncio.FIRST_COMPLETED)
                else:
                    await asyncio.sleep(_LOOK_S)
        finally:
            for work in busy.values():
                work.cancel()
            await asyncio.gather(*busy.values(), return_exceptions=True)

    async def _serve(self, node: _Node, order: _Order, waiting: deque[Asked]) -> None:
        """Judges on one node what waits, until nothing does or the node is lost."""
        verifier = await self._verifier(node)
        while verifier is not None and waiting:
            one = waiting.popleft()
            try:
                outcome = await self._judged(verifier, order, one)
            except _LOST_PROCESS as error:
                # It may only be out of reach, and would judge on beside the next one.
                ray.kill(self._verifiers.pop(node.name))
                one.tries += 1
                if one.tries > RETRIES:
                    one.settle(Lost(shard=one.job.shard, error=given_up(_first(error))))
                else:
                    waiting.appendleft(one)
                return
            except Exception as error:  # noqa: BLE001 - told where the result is waited for
                one.settle(error)
                return
            one.settle(outcome)

    @staticmethod
    async def _judged(verifier: Remote, order: _Order, one: Asked) -> Answered | Lost:
        work: asyncio.Future[Any] = asyncio.ensure_future(_result(verifier.ask.remote(order, one.job)))
        try:
            while not (await asyncio.wait({work}, timeout=_LOOK_S))[0]:
                count, waited_for = await _result(verifier.judged.remote())
                one.tell(count)
                one.waits(waited_for)
            outcome: Answered | Lost = await work
        finally:
            work.cancel()
        one.tell(int(one.job.wanted.sum()))
        return outcome

    async def _verifier(self, node: _Node) -> Remote:
        """The actor of a node with its engine open; None where the node, or the actor, was lost over it.

        Raises:
            ClusterStoppedError: actors do not live there, or the engine is another than elsewhere.
            VerifierError: the engine cannot be opened.
        """
        if node.name in self._verifiers:
            return self._verifiers[node.name]
        place = NodeAffinitySchedulingStrategy(node.name, soft=False)
        made = _VerifierActor.options(scheduling_strategy=place).remote(self._open_engine, node.processors, self._store)
        try:
            info: EngineInfo | None = await _result(made.info.remote())
        except (*_LOST_PROCESS, ray_errors.ActorUnschedulableError) as error:
            self._deaths[node.name] = self._deaths.get(node.name, 0) + 1
            if self._deaths[node.name] > RETRIES:
                raise ClusterStoppedError(f"no engine can be opened on node {node.address}: {_first(error)}") from error
            # Until the nodes are looked at anew, one that was killed seems alive, and would use up its tries at once.
            await asyncio.sleep(_LOOK_S)
            return None
        self._info = self._info or info
        if info is not None and self._info is not None and info.config_hash != self._info.config_hash:
            raise ClusterStoppedError(
                f"the engine on node {node.address} has the configuration {info.config_hash}, and elsewhere it is "
                f"{self._info.config_hash}: install the same packages, and give the same settings, on all nodes"
            )
        self._verifiers[node.name] = made
        return made

    async def aclose(self) -> None:
        """Ends all actors, and what they started."""
        closing: list[asyncio.Future[Any]] = [
            asyncio.ensure_future(_result(one.close.remote())) for one in self._verifiers.values()
        ]
        if closing:
            # What does not end goes with its process.
            await asyncio.wait(closing, timeout=_CLOSE_S)
        for work in closing:
            work.cancel()
        for one in self._verifiers.values():
            ray.kill(one)
        self._verifiers.clear()


async def _result(reference: Remote) -> Any:  # noqa: ANN401 - it depends on the task
    """What a task gave, or the error that it raised, as it was raised there."""
    try:
        return await reference
    except ray_errors.RayTaskError as error:
        if isinstance(error.cause, Exception):
            raise error.cause from None
        raise


async def _abandon(references: Sequence[Remote]) -> None:
    """Gives up tasks; those that have begun are at their end then, so that they meet nothing that is written next."""
    for reference in references:
        ray.cancel(reference)
    if references:
        await asyncio.wait([asyncio.ensure_future(_ended(reference)) for reference in references])


async def _ended(reference: Remote) -> None:
    with suppress(Exception):
        await reference


def _first(error: BaseException) -> str:
    return (str(error) or type(error).__name__).strip().splitlines()[0]
