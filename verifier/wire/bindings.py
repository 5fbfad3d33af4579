"""The generated code as the rest of the program may see it: the service, its stub and its names, with types.

Messages go to ``codec`` and stop there; the server and the remote engine take what they need from here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import grpc.aio

from verifier.wire._generated import verifier_pb2 as pb
from verifier.wire._generated import verifier_pb2_grpc as pb_grpc

SERVICE_NAME: str = pb.DESCRIPTOR.services_by_name["VerifierService"].full_name
"""Full name, as health and reflection say it."""

if TYPE_CHECKING:
    Context: TypeAlias = grpc.aio.ServicerContext[Any, Any]
else:
    Context = grpc.aio.ServicerContext  # generic only to type checkers

MAX_MESSAGE_BYTES = 64 << 20
"""Largest message either side takes."""

GetInfoRequest = pb.GetInfoRequest
GetInfoResponse = pb.GetInfoResponse
GroupMessage = pb.Group
GroupResultMessage = pb.GroupResult
VerifyRequest = pb.VerifyRequest
VerifyResponse = pb.VerifyResponse
VerifyStreamRequest = pb.VerifyStreamRequest
VerifyStreamResponse = pb.VerifyStreamResponse


_SHARED_OPTIONS: tuple[tuple[str, int], ...] = (
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    # Without calls as well, so that a connection that a firewall dropped is found before the next batch.
    ("grpc.keepalive_permit_without_calls", 1),
)

CHANNEL_OPTIONS: tuple[tuple[str, int], ...] = (
    *_SHARED_OPTIONS,
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.http2.max_pings_without_data", 0),
    # gRPC itself repeats only requests that fit here; its own default is smaller than one group of long completions.
    ("grpc.per_rpc_retry_buffer_size", MAX_MESSAGE_BYTES),
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 5_000),
    # Each client has connections of its own, so several clients of one process spread over several servers.
    ("grpc.use_local_subchannel_pool", 1),
)
"""Of every client's channel."""

SERVER_OPTIONS: tuple[tuple[str, int], ...] = (
    *_SHARED_OPTIONS,
    # Below the clients' interval, or their pings are taken for an attack and the connection is closed.
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 10_000),
    # A second server on the same port is a mistake that must be seen, not half of the calls lost to it.
    ("grpc.so_reuseport", 0),
)
"""Of the server."""


class Stub:
    """The client's side of the service, over one channel."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        stub = pb_grpc.VerifierServiceStub(channel)  # type: ignore[no-untyped-call]  # generated
        self.verify: grpc.aio.UnaryUnaryMultiCallable[VerifyRequest, VerifyResponse] = stub.Verify
        self.verify_stream: grpc.aio.StreamStreamMultiCallable[VerifyStreamRequest, VerifyStreamResponse] = (
            stub.VerifyStream
        )
        self.get_info: grpc.aio.UnaryUnaryMultiCallable[GetInfoRequest, GetInfoResponse] = stub.GetInfo


Servicer = pb_grpc.VerifierServiceServicer


def add_to_server(servicer: object, server: grpc.aio.Server) -> None:
    """Registers the servicer's methods with the server."""
    pb_grpc.add_VerifierServiceServicer_to_server(servicer, server)  # type: ignore[no-untyped-call]  # generated
