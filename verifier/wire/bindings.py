"""The generated code as the rest of the program may see it: the service, its stub and its names, with types.

Messages go to ``codec`` and stop there; the server and the remote engine take what they need from here.
"""

from __future__ import annotations

import grpc.aio

from verifier.wire._generated import verifier_pb2 as pb
from verifier.wire._generated import verifier_pb2_grpc as pb_grpc

SERVICE_NAME: str = pb.DESCRIPTOR.services_by_name["VerifierService"].full_name
"""Full name, as health and reflection say it."""

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
