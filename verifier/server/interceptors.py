"""The edge where errors become gRPC status, for every method of our service and no other."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any, Never, Protocol, TypeVar, cast

import grpc
import grpc.aio

from verifier.errors import VerifierError
from verifier.wire.bindings import SERVICE_NAME, Context
from verifier.wire.status import status_from_error

_LOGGER = logging.getLogger(__name__)

_Request = TypeVar("_Request")
_Response = TypeVar("_Response")


class _Method(Protocol):
    def __call__(self, request: object, context: Context, /) -> Awaitable[object]: ...


class ErrorInterceptor(grpc.aio.ServerInterceptor):
    """Maps what the methods raise: ours by the table, anything else is a bug, logged and answered INTERNAL."""

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler[_Request, _Response] | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler[_Request, _Response] | None:
        """Wraps the handler of a method of ours."""
        handler = await continuation(handler_call_details)
        name = handler_call_details.method
        if handler is None or not name.startswith(f"/{SERVICE_NAME}/"):
            return handler
        # The stubs know only the handlers of the threaded server.
        wrap = grpc.unary_unary_rpc_method_handler if handler.unary_unary else grpc.stream_stream_rpc_method_handler
        method = cast("_Method", handler.unary_unary or handler.stream_stream)
        wrapped = cast("Any", wrap)(_mapped(method, name), handler.request_deserializer, handler.response_serializer)
        return cast("grpc.RpcMethodHandler[_Request, _Response]", wrapped)


def _mapped(method: _Method, name: str) -> _Method:
    async def call(request: object, context: Context) -> object:
        try:
            return await method(request, context)
        except grpc.aio.AbortError:
            raise
        except VerifierError as error:
            await _abort(context, error)
        except Exception as error:  # the one place where a bug ends: logged, and never a reward
            ours = _ours(error)
            if ours is not None:
                await _abort(context, ours)
            _LOGGER.exception("%s: a bug", name)
            await context.abort(grpc.StatusCode.INTERNAL, f"{type(error).__name__} in the server; see its log")

    return call


def _ours(error: Exception) -> VerifierError | None:
    """The error of ours in a task group's, where there is nothing else in it."""
    if not isinstance(error, ExceptionGroup):
        return error if isinstance(error, VerifierError) else None
    inner = [_ours(member) for member in error.exceptions]
    return None if None in inner else inner[0]


async def _abort(context: Context, error: VerifierError) -> Never:
    status = status_from_error(error)
    await context.abort(status.code, status.message, status.trailers)
