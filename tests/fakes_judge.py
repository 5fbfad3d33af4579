"""A judge model for tests: a real HTTP server on loopback that speaks OpenAI's chat completions from a script."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Said:
    """One answer of the server: a reply in an envelope, or a raw ``body``."""

    reply: str | None = ""
    finish: str | None = "stop"
    status: int = 200
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    delay_s: float = 0.0
    hangs_up: bool = False

    def raw(self) -> bytes:
        if self.body is not None:
            return self.body
        message = {"role": "assistant", "content": self.reply}
        return json.dumps({"choices": [{"index": 0, "message": message, "finish_reason": self.finish}]}).encode()


def verdict(label: str, analysis: str = "compared") -> str:
    return f"The steps agree, or not.\n{json.dumps({'analysis': analysis, 'correctness': label})}"


def score(number: object, analysis: str = "read") -> str:
    return f"It does what was asked, or not.\n{json.dumps({'analysis': analysis, 'score': number})}"


Script = Callable[[dict[str, Any], int], Said]
"""The request and its number, from 0 -> what is answered."""


class JudgeServer:
    """What the server was asked, and where it is."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.requests: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.times: list[float] = []
        self.in_flight = 0
        self.most_in_flight = 0
        self.lock = threading.Lock()
        self.url = ""

    @property
    def prompts(self) -> list[str]:
        return [request["messages"][0]["content"] for request in self.requests]


@contextmanager
def judge_server(script: Script) -> Iterator[JudgeServer]:
    state = JudgeServer(script)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with state.lock:
                number = len(state.requests)
                state.requests.append(body)
                state.headers.append({name.lower(): value for name, value in self.headers.items()})
                state.times.append(time.monotonic())
                state.in_flight += 1
                state.most_in_flight = max(state.most_in_flight, state.in_flight)
            said = state.script(body, number) if self.path == "/v1/chat/completions" else Said(status=404)
            time.sleep(said.delay_s)
            with state.lock:
                state.in_flight -= 1
            if said.hangs_up:
                self.close_connection = True
                self.connection.close()
                return
            raw = said.raw()
            self.send_response(said.status)
            for name, value in said.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        def log_message(self, *_: object) -> None:
            pass

        def handle(self) -> None:
            try:
                super().handle()
            except (ConnectionError, ValueError, OSError):
                self.close_connection = True  # the client went away, as some tests ask

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 128

        def handle_error(self, *_: object) -> None:
            pass

    server = Server(("127.0.0.1", 0), Handler)
    state.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
