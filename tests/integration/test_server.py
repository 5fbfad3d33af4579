"""The server over a real port: back-pressure, deadlines, health, reflection, errors, draining."""

from __future__ import annotations

import asyncio
import functools
import logging
from contextlib import asynccontextmanager

import grpc
import grpc.aio
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from tests.fakes import FakeVerifier, fake_local_engine, until
from verifier.engines.remote import RemoteEngine
from verifier.errors import InvalidRequestError, OverloadedError, ServerUnavailableError
from verifier.server.app import start_server
from verifier.settings import Settings
from verifier.telemetry import LOGGER_NAME
from verifier.types import Group, MathReference, Outcome
from verifier.wire import codec
from verifier.wire.bindings import (
    CHANNEL_OPTIONS,
    SERVICE_NAME,
    GetInfoRequest,
    Stub,
    VerifyRequest,
    VerifyStreamRequest,
)
from verifier.wire.status import error_from_status


def group(*completions, **fields):
    return Group(**{"id": "g", "completions": completions, "reference": MathReference(answers=("1",)), **fields})


def batch(*groups):
    return VerifyRequest(groups=[codec.group_to_proto(item) for item in groups])


@asynccontextmanager
async def served(limit=8, **fields):
    judge = FakeVerifier("math")
    verifiers = {name: FakeVerifier(name) for name in ("code", "format", "language")}
    engine = fake_local_engine(verifiers={"math": judge, **verifiers}, max_pending_completions=limit)
    settings = Settings(bind="127.0.0.1:0", max_pending_completions=limit, **fields)
    async with (
        start_server(engine, settings) as running,
        grpc.aio.insecure_channel(running.address, options=CHANNEL_OPTIONS) as channel,
    ):
        yield running, channel, judge
    await engine.aclose()


def has(found, count):
    return len(found) == count


async def test_a_batch_is_answered_in_its_order():
    async with served() as (_, channel, _):
        response = await Stub(channel).verify(batch(group("slow", id="a"), group("right", id="b"), group(id="c")))
    assert [result.id for result in response.results] == ["a", "b", "c"]


async def test_a_bad_group_never_cancels_its_siblings():
    async with served() as (_, channel, _):
        groups = (group("right", id="a"), group("x", id="b", recipe="nope"), group(*map(str, range(9)), id="c"))
        response = await Stub(channel).verify(batch(*groups))
    reasons = [result.scores[0].verdicts[0].reason for result in response.results]
    assert reasons == ["equal", "unknown_recipe", "too_many_completions"]


async def test_a_full_queue_is_answered_at_once_with_the_wait_and_health_stays_out_of_it():
    async with served() as (_, channel, judge):
        stub = Stub(channel)
        busy = stub.verify(batch(group(*(f"hang {i}" for i in range(8)))))
        await until(lambda: len(judge.judged) == 8)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.verify(batch(group("right")))
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        error = error_from_status(
            caught.value.code(), caught.value.details() or "", tuple(caught.value.trailing_metadata() or ())
        )
        assert isinstance(error, OverloadedError)
        assert error.retry_after_s == 1.0
        health = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(service=SERVICE_NAME))
        assert health.status == health_pb2.HealthCheckResponse.SERVING
        busy.cancel()
        await until(lambda: len(judge.stopped) == 8)
        assert (await stub.verify(batch(group("right")))).results[0].scores[0].reward == 1.0


async def test_many_bytes_fill_the_queue_as_many_completions_do():
    async with served(limit=1000, max_pending_bytes=64 << 20) as (_, channel, judge):
        stub = Stub(channel)
        busy = stub.verify(batch(group(*(f"hang {i} " + "x" * (2_000_000) for i in range(25)))))
        await until(lambda: len(judge.judged) == 25)
        with pytest.raises(grpc.aio.AioRpcError, match="bytes are being judged") as caught:
            await stub.verify(batch(group(*(f"right {i} " + "x" * (2_000_000) for i in range(10)))))
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert (await stub.verify(batch(group("right")))).results[0].scores[0].reward == 1.0
        busy.cancel()


async def test_a_batch_that_can_never_enter_is_refused_with_the_remedy():
    async with served() as (_, channel, _):
        with pytest.raises(grpc.aio.AioRpcError, match="at most 8") as caught:
            await Stub(channel).verify(batch(*(group("a", "b", "c", id=str(i)) for i in range(3))))
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_an_expired_call_stops_its_work():
    async with served() as (_, channel, judge):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await Stub(channel).verify(batch(group("hang")), timeout=0.3)
        assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        await until(lambda: judge.stopped == ["hang"])


async def test_a_stream_answers_each_group_as_soon_as_it_is_ready():
    async with served() as (_, channel, _):
        call = Stub(channel).verify_stream()
        for name, completion in (("a", "slow"), ("b", "right")):
            await call.write(VerifyStreamRequest(group=codec.group_to_proto(group(completion, id=name))))
        await call.done_writing()
        assert [response.result.id async for response in call] == ["b", "a"]


async def test_a_stream_is_held_back_and_never_refused():
    async with served(limit=8) as (_, channel, judge):
        call = Stub(channel).verify_stream()

        async def send():
            for i in range(30):
                await call.write(VerifyStreamRequest(group=codec.group_to_proto(group(f"slow {i}", id=str(i)))))
            await call.done_writing()

        sending = asyncio.create_task(send())
        await until(lambda: judge.judged)
        await asyncio.sleep(0.1)
        # A quarter of the places, so that this client leaves room for others.
        assert len(judge.judged) == 2
        assert (await Stub(channel).verify(batch(group("right")))).results[0].scores[0].reward == 1.0
        ids = {response.result.id async for response in call}
        await sending
    assert ids == {str(i) for i in range(30)}


async def test_a_cancelled_stream_stops_its_work_and_frees_its_places():
    async with served(limit=8) as (_, channel, judge):
        for turn in range(1, 7):
            call = Stub(channel).verify_stream()
            for i in range(2):
                await call.write(VerifyStreamRequest(group=codec.group_to_proto(group(f"hang {i}", id=str(i)))))
            await until(functools.partial(has, judge.judged, 2 * turn))
            call.cancel()
            await until(functools.partial(has, judge.stopped, 2 * turn))
        response = await Stub(channel).verify(batch(group(*(f"right {i}" for i in range(8)))))
    assert {scored.reward for scored in response.results[0].scores} == {1.0}


async def test_a_bug_is_internal_and_logged_and_tells_the_client_nothing_but_its_name(caplog, monkeypatch):
    monkeypatch.setattr(logging.getLogger(LOGGER_NAME), "propagate", True)  # a command run in process stops it
    async with served() as (_, channel, _):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await Stub(channel).verify(batch(group("bug")))
    assert caught.value.code() is grpc.StatusCode.INTERNAL
    assert "a bug" not in (caught.value.details() or "")
    assert "ZeroDivisionError: a bug" in caplog.text


async def test_a_bug_on_the_server_is_failed_for_the_client_and_never_a_reward(caplog):
    async with served() as (running, _, _):
        engine = RemoteEngine(running.address)
        result = await engine.verify(group("bug", "right"))
        await engine.aclose()
    assert [scored.reward for scored in result.scores] == [None, None]
    assert {scored.verdicts[0].outcome for scored in result.scores} == {Outcome.FAILED}
    assert result.scores[0].verdicts[0].reason == "server_error"


async def test_a_group_of_forty_megabytes_crosses():
    async with served(limit=64) as (running, _, _):
        engine = RemoteEngine(running.address)
        result = await engine.verify(group(*(f"right {i} " + "x" * (1 << 20) for i in range(40))))
        assert len(result.scores) == 40
        with pytest.raises(InvalidRequestError, match="split it"):
            await engine.verify(group("x" * (65 << 20)))
        await engine.aclose()


@pytest.mark.parametrize("name", ["", SERVICE_NAME])
async def test_health_is_known_by_service(name):
    async with served() as (_, channel, _):
        answer = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(service=name))
    assert answer.status == health_pb2.HealthCheckResponse.SERVING


async def reflected(channel):
    call = reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo()
    await call.write(reflection_pb2.ServerReflectionRequest(list_services=""))
    answer = await call.read()
    call.cancel()
    return [service.name for service in answer.list_services_response.service]


async def test_reflection_lists_the_service():
    async with served() as (_, channel, _):
        assert SERVICE_NAME in await reflected(channel)


async def test_reflection_can_be_turned_off():
    async with served(reflection=False) as (_, channel, _):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await reflected(channel)
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_draining_says_not_serving_and_lets_calls_end():
    async with served() as (running, channel, judge):
        watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest(service=SERVICE_NAME))
        assert (await watch.read()).status == health_pb2.HealthCheckResponse.SERVING
        call = Stub(channel).verify(batch(group("slow")))
        await until(lambda: judge.judged)
        draining = asyncio.create_task(running.drain(3600))
        assert (await watch.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING
        watch.cancel()
        assert (await call).results[0].scores[0].reward == 1.0
        await draining


async def test_draining_ends_what_outlasts_it():
    async with served() as (running, channel, judge):
        call = Stub(channel).verify(batch(group("hang")))
        await until(lambda: judge.judged)
        await running.drain(0.2)
        await until(lambda: judge.stopped == ["hang"])
        with pytest.raises(grpc.aio.AioRpcError):
            await call


async def test_a_port_that_is_taken_is_an_error_that_says_so():
    async with served() as (running, _, _):
        engine = fake_local_engine()
        with pytest.raises(InvalidRequestError, match="cannot listen"):
            async with start_server(engine, Settings(bind=running.address)):
                pass


async def test_a_server_that_cannot_be_reached_is_an_error_with_the_remedy():
    engine = RemoteEngine("127.0.0.1:1")
    with pytest.raises(ServerUnavailableError, match=r"verifier serve --bind 127\.0\.0\.1:1"):
        await engine.connect(timeout_s=0.5)
    await engine.aclose()


async def test_a_server_that_goes_away_for_good_makes_failed_and_never_a_reward():
    async with served() as (running, _, judge):
        engine = RemoteEngine(running.address, max_attempts=2)
        work = asyncio.create_task(engine.verify(group("hang", "hang 2")))
        await until(lambda: judge.judged)
        await running.server.stop(None)
        result = await work
        await engine.aclose()
    verdict = result.scores[0].verdicts[0]
    assert (verdict.outcome, verdict.reason) == (Outcome.FAILED, "server_unavailable")
    assert [scored.reward for scored in result.scores] == [None, None]
    assert "127.0.0.1" not in verdict.detail


async def test_a_client_waits_out_a_restart():
    async with served() as (running, _, judge):
        engine = RemoteEngine(running.address)
        work = asyncio.create_task(engine.verify(group("slow")))
        await until(lambda: judge.judged)
        await running.server.stop(None)
        again = fake_local_engine()
        async with start_server(again, Settings(bind=running.address)):
            result = await work
        await engine.aclose()
    assert result.scores[0].reward == 1.0


async def test_a_client_waits_for_a_full_server_within_its_deadline():
    async with served(limit=1) as (running, channel, judge):
        busy = Stub(channel).verify(batch(group("hang")))
        await until(lambda: judge.judged)
        engine = RemoteEngine(running.address, deadline_s=0.5)
        with pytest.raises(OverloadedError):
            await engine.verify(group("right"))
        await engine.aclose()
        patient = RemoteEngine(running.address)
        work = asyncio.create_task(patient.verify(group("right")))
        await asyncio.sleep(0.2)
        busy.cancel()
        assert (await work).scores[0].reward == 1.0
        await patient.aclose()


async def test_a_server_of_another_kind_is_named_as_such():
    server = grpc.aio.server()
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    engine = RemoteEngine(f"127.0.0.1:{port}")
    with pytest.raises(ServerUnavailableError, match=r"no verifier\.v1"):
        await engine.connect()
    await engine.aclose()
    await server.stop(None)


async def test_a_channel_without_our_options_still_gets_its_answer():
    async with served() as (running, _, _), grpc.aio.insecure_channel(running.address) as channel:
        info = await Stub(channel).get_info(GetInfoRequest())
    assert info.config_hash
