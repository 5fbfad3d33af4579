"""The codec loses nothing, and the two wires say the same."""

from __future__ import annotations

import grpc
import pytest
from hypothesis import given

from tests.strategies import groups, results
from verifier import errors
from verifier.errors import (
    InfrastructureError,
    InvalidRequestError,
    OverloadedError,
    ServerUnavailableError,
    VerifierError,
)
from verifier.types import CodeReference, EngineInfo, Group, MathReference
from verifier.wire import bindings, codec, status
from verifier.wire.unicode import size_bytes, well_formed


@given(groups)
def test_a_group_comes_back_unchanged(group):
    message = bindings.GroupMessage.FromString(codec.group_to_proto(group).SerializeToString())
    assert codec.group_from_proto(message) == group


@given(results)
def test_a_result_comes_back_unchanged(result):
    message = bindings.GroupResultMessage.FromString(codec.result_to_proto(result).SerializeToString())
    assert codec.result_from_proto(message) == result


def test_what_an_engine_is_made_of_comes_back_unchanged():
    info = EngineInfo(
        version="1",
        verifiers=("math",),
        recipes=("r1",),
        sandboxes=("local",),
        config_hash="ab",
        default_recipe="r1",
    )
    assert codec.info_from_proto(codec.info_to_proto(info)) == info


def test_lone_surrogates_become_the_replacement_character():
    group = Group(id="\ud800", completions=("a\udfffb",), reference=MathReference(answers=("\ud83d\ude00", "\ud800")))
    read = codec.group_from_proto(codec.group_to_proto(group))
    assert read.id == "\ufffd"
    assert read.completions == ("a\ufffdb",)
    assert read.reference == MathReference(answers=("😀", "\ufffd"))


@pytest.mark.parametrize("text", ["", "a", "é", "😀", "\ufffd"])
def test_well_formed_text_stays_and_its_size_is_that_of_utf_8(text):
    assert well_formed(text) is text
    assert size_bytes(text) == len(text.encode())


def test_a_number_past_64_bits_is_refused_by_name():
    reference = CodeReference(language="python", script="x", memory_limit_bytes=1 << 63)
    with pytest.raises(InvalidRequestError, match="memory_limit_bytes"):
        codec.group_to_proto(Group(id="g", completions=(), reference=reference))


def test_a_reference_of_no_kind_is_no_reference():
    message = bindings.GroupMessage()
    message.reference.SetInParent()
    assert codec.group_from_proto(message).reference is None


def test_an_outcome_of_another_version_is_our_trouble_and_not_a_verdict():
    message = bindings.GroupResultMessage()
    message.scores.add().verdicts.add(verifier="math", outcome="MAYBE")
    with pytest.raises(InfrastructureError, match="MAYBE"):
        codec.result_from_proto(message)


def all_errors(base=VerifierError):
    return {base}.union(*(all_errors(kind) for kind in base.__subclasses__()))


def test_every_error_has_a_status_and_is_drawn_in_the_tree():
    kinds = {kind for kind in all_errors() if kind.__module__ == errors.__name__}
    assert set(status.CODES) == kinds
    assert all(kind.__name__ in (errors.__doc__ or "") for kind in kinds)


def test_a_full_queue_crosses_with_its_wait():
    sent = status.status_from_error(OverloadedError("full", retry_after_s=2.5))
    error = status.error_from_status(sent.code, sent.message, sent.trailers)
    assert sent.code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert isinstance(error, OverloadedError)
    assert error.retry_after_s == 2.5


def test_an_oversized_message_is_not_taken_for_a_full_queue():
    error = status.error_from_status(grpc.StatusCode.RESOURCE_EXHAUSTED, "larger than max (70 vs. 64)")
    assert isinstance(error, InvalidRequestError)


@pytest.mark.parametrize(
    ("error", "back"),
    [
        (InvalidRequestError("no"), InvalidRequestError),
        (errors.UnknownNameError("recipe", "x", ("y",)), InvalidRequestError),
        (ServerUnavailableError("server_unavailable"), ServerUnavailableError),
        (errors.SandboxError("sandbox_lost"), InfrastructureError),
    ],
)
def test_an_error_comes_back_as_one_that_is_treated_alike(error, back):
    sent = status.status_from_error(error)
    assert type(status.error_from_status(sent.code, sent.message, sent.trailers)) is back


def test_trailers_that_a_proxy_wrote_are_passed_over():
    trailers = ((status.DETAILS_KEY, b"\xff\xff"), ("x", "y"))
    assert isinstance(status.error_from_status(grpc.StatusCode.UNAVAILABLE, "away", trailers), ServerUnavailableError)


@pytest.mark.parametrize(
    "code", [grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.UNIMPLEMENTED, grpc.StatusCode.INTERNAL]
)
def test_other_codes_are_our_trouble(code):
    assert type(status.error_from_status(code, "x")) is InfrastructureError
