"""Errors to gRPC status and back.

One table says which code each error becomes. The kind of error travels as ``google.rpc.ErrorInfo.reason`` and the
wait before the next try as ``google.rpc.RetryInfo``, because a code alone is not enough: RESOURCE_EXHAUSTED is also
what an oversized message gives, and that one must not be retried. Exceptions are never rebuilt from names off the
wire.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import DecodeError
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status

from verifier.errors import (
    InfrastructureError,
    InvalidRequestError,
    JudgeModelError,
    OverloadedError,
    SandboxError,
    ServerUnavailableError,
    UnknownNameError,
    UnscorableError,
    VerifierError,
    WorkerCrashedError,
    WorkerTimeoutError,
)

DOMAIN = "verifier.v1"
DETAILS_KEY = "grpc-status-details-bin"

CODES: Mapping[type[VerifierError], grpc.StatusCode] = {
    VerifierError: grpc.StatusCode.INTERNAL,
    InvalidRequestError: grpc.StatusCode.INVALID_ARGUMENT,
    UnknownNameError: grpc.StatusCode.INVALID_ARGUMENT,
    UnscorableError: grpc.StatusCode.FAILED_PRECONDITION,
    OverloadedError: grpc.StatusCode.RESOURCE_EXHAUSTED,
    InfrastructureError: grpc.StatusCode.INTERNAL,
    SandboxError: grpc.StatusCode.INTERNAL,
    WorkerCrashedError: grpc.StatusCode.INTERNAL,
    WorkerTimeoutError: grpc.StatusCode.INTERNAL,
    ServerUnavailableError: grpc.StatusCode.UNAVAILABLE,
    JudgeModelError: grpc.StatusCode.INTERNAL,
}
"""One line for each error; a test counts them."""

OVERLOADED = "OVERLOADED"
"""``ErrorInfo.reason`` of a full queue."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WireStatus:
    """A gRPC status with its details."""

    code: grpc.StatusCode
    message: str
    trailers: tuple[tuple[str, bytes], ...]


def status_from_error(error: VerifierError) -> WireStatus:
    """The status of an error that ends a call."""
    code = CODES[type(error)]
    details: list[ErrorInfo | RetryInfo] = [ErrorInfo(reason=_reason(error), domain=DOMAIN)]
    if isinstance(error, OverloadedError):
        delay = Duration()
        delay.FromMilliseconds(round(error.retry_after_s * 1000))
        details.append(RetryInfo(retry_delay=delay))
    number: int = code.value[0]
    status = Status(code=number, message=str(error), details=[_packed(detail) for detail in details])
    return WireStatus(code=code, message=str(error), trailers=((DETAILS_KEY, status.SerializeToString()),))


def _reason(error: VerifierError) -> str:
    if isinstance(error, OverloadedError):
        return OVERLOADED
    if isinstance(error, InfrastructureError):
        return error.reason.upper()
    return type(error).__name__.removesuffix("Error").upper()


def _packed(detail: ErrorInfo | RetryInfo) -> AnyMessage:
    message = AnyMessage()
    message.Pack(detail)
    return message


def error_from_status(
    code: grpc.StatusCode, message: str, trailers: Iterable[tuple[str, str | bytes]] = ()
) -> VerifierError:
    """The error that a status stands for, on the client's side."""
    info, retry = _details(trailers)
    match code:
        case grpc.StatusCode.RESOURCE_EXHAUSTED if info.reason == OVERLOADED:
            return OverloadedError(message, retry_after_s=retry.retry_delay.ToMilliseconds() / 1000)
        case grpc.StatusCode.RESOURCE_EXHAUSTED:
            return InvalidRequestError(f"the message is too large for the server: {message}; send a smaller group")
        case grpc.StatusCode.INVALID_ARGUMENT | grpc.StatusCode.FAILED_PRECONDITION:
            return InvalidRequestError(message)
        case grpc.StatusCode.UNAVAILABLE:
            return ServerUnavailableError("server_unavailable", message)
        case grpc.StatusCode.DEADLINE_EXCEEDED:
            return InfrastructureError("deadline_exceeded", "the server did not answer in time; raise the deadline")
        case grpc.StatusCode.UNIMPLEMENTED:
            return InfrastructureError("server_unknown", "the server has no verifier.v1; is this its address?")
        case _:
            return InfrastructureError("server_error", f"{code.name}: {message}; see the server's log")


def _details(trailers: Iterable[tuple[str, str | bytes]]) -> tuple[ErrorInfo, RetryInfo]:
    info, retry = ErrorInfo(), RetryInfo()
    for key, value in trailers:
        if key != DETAILS_KEY or not isinstance(value, bytes):
            continue
        try:
            status = Status.FromString(value)
            for detail in status.details:
                detail.Unpack(info)
                detail.Unpack(retry)
        except DecodeError:
            # A proxy may write what it likes here; the code is then all we know.
            continue
    return info, retry
