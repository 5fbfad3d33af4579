"""Reads jobs from its standard input, has them run, and answers: the trusted process inside the jail.

It holds the clocks: CPU time and memory are read from the kernel while a child runs and from wait4(2) when it has
ended, and what a child says of itself changes nothing.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import platform
import selectors
import shutil
import signal
import socket
import sys
import time
from dataclasses import dataclass, field
from typing import NoReturn

from . import frames, jail, walls, zygote

_CHUNK = 1 << 20
_FIRST_TICK_S, _TICK_S = 0.02, 0.05
_STDERR_BYTES = 64 << 10
_DRAIN_S = 5.0
_TESTER_MEMORY_BYTES = 1 << 30
_TESTER_EXTRA_S = 10.0
_COMPILE_OUTPUT_BYTES = 64 << 10
_UNREAD_BYTES = 64 << 10
"""What is kept of an output that nobody compares."""
_KILL_ROUNDS = 2000
_XCPU, _XFSZ = int(signal.SIGXCPU), int(signal.SIGXFSZ)


class _Gone(Exception):  # noqa: N818 (not an error: the host has closed the connection)
    """The host has gone; so do we."""


class _Broken(Exception):  # noqa: N818 (told to the host)
    """A child could not be put behind the walls; nothing of the job ran in it."""


@dataclass
class _Process:
    """One child of an execution."""

    kind: str
    limits: dict[str, float]
    descriptors: list[int]
    argv: list[str] = field(default_factory=list)
    source_name: str = ""
    readable: str = ""
    uid: int = 0
    directory: str = ""
    keep: bool = False
    pid: int = 0

    def request(self) -> dict[str, object]:
        return {
            "kind": self.kind, "limits": self.limits, "descriptors": len(self.descriptors), "argv": self.argv,
            "source_name": self.source_name, "readable": self.readable, "uid": self.uid, "directory": self.directory,
            "keep": self.keep,
        }  # fmt: skip


@dataclass
class _Pipe:
    """What a child writes: ``kept`` bytes are kept, and past the limit the child is stopped if ``is_strict``."""

    descriptor: int
    limit: int
    is_strict: bool
    kept: int
    count: int = 0
    data: bytearray = field(default_factory=bytearray)
    is_over: bool = False

    def pull(self) -> bool:
        """Reads what there is; False at the end."""
        try:
            chunk = os.read(self.descriptor, _CHUNK)
        except BlockingIOError:
            return True
        if not chunk:
            return False
        self.data += chunk[: max(self.kept - len(self.data), 0)]
        self.count += len(chunk)
        self.is_over = self.count > self.limit
        return True


@dataclass
class _Outcome:
    """How an execution ended, before it is put into words for the host."""

    status: str = "exited"
    code: int = 0
    signal: int = 0
    cpu_time_s: float = 0.0
    memory_bytes: int = 0
    is_killed: bool = False


class Supervisor:
    """Serves one host through descriptors 0 and 1."""

    def __init__(self, built: jail.Jail, control: socket.socket, answers: int) -> None:
        self._jail = built
        self._control = control
        self._answers = answers
        self._counter = 0
        self._buffer = bytearray()
        self._others_cpu_time_s = 0.0
        self.zygote_pid = 0
        self._base_rss = 0
        self._is_spent = False
        self._forget: list[list[object]] = []

    # --- the host ---

    def _exactly(self, count: int) -> bytes:
        while len(self._buffer) < count:
            chunk = os.read(0, max(_CHUNK, count - len(self._buffer)))
            if not chunk:
                raise _Gone
            self._buffer += chunk
        data = bytes(self._buffer[:count])
        del self._buffer[:count]
        return data

    def _tell(self, header: frames.Header, blobs: tuple[bytes, ...] = ()) -> None:
        data = memoryview(frames.pack(header, blobs))
        while data:
            data = data[os.write(self._answers, data) :]

    def serve(self) -> None:
        """Says what this jail is, then runs jobs until the host goes away."""
        found = self._self_test()
        self._base_rss = _tree_use([self.zygote_pid])[1]
        self._tell(
            {
                "op": "ready",
                "mode": self._jail.mode,
                "landlock_abi": self._jail.landlock_abi,
                "uid_per_execution": bool(self._jail.uid_base),
                "owns_pid_namespace": self._jail.owns_pid_namespace,
                "let_through": found,
                "python": platform.python_version(),
                "can_execute_work": not os.statvfs(self._jail.work).f_flag & os.ST_NOEXEC,
                "tools": {name: path for name in _TOOLS if (path := shutil.which(name))},
            }
        )
        while True:
            try:
                header, blobs = frames.read(self._exactly)
                self._job(header, blobs)
            except _Broken as broken:
                self._tell({"op": "broken", "reason": str(broken)})
                return
            except (_Gone, BrokenPipeError):
                return

    def _self_test(self) -> list[str]:
        limits = {"cpu_time_s": 5, "memory_bytes": 256 << 20, "file_bytes": 1 << 20, "processes": 8}
        header: frames.Header = {"limits": {**limits, "wall_s": 20, "output_bytes": 1 << 16, "report_bytes": 1 << 16}}
        result, blobs = self._warm("selftest", b"{}\n", b"", header)
        try:
            report = json.loads(blobs[2])
        except ValueError:
            report = {}
        found = report.get("value")
        return [str(name) for name in found] if isinstance(found, list) else [f"selftest: {result['status']}"]

    # --- jobs ---

    def _job(self, header: frames.Header, blobs: list[bytes]) -> None:
        """Runs a job: blob 0 is the source, the others are referred to by number."""
        runs = header["runs"]
        assert isinstance(runs, list)
        readable, kept_uid = "", 0
        if header["run_command"]:
            readable, kept_uid, compiled = self._prepare(header, blobs[0])
            self._tell({"op": "compiled", **compiled[0]}, compiled[1])
            if compiled[0]["status"] != "exited" or compiled[0]["exit_code"] or compiled[0]["signal"]:
                self._forget.append([readable, kept_uid])
                self._tell({"op": "done"})
                return
        is_stopped = False
        for run in runs:
            if is_stopped:
                self._tell({"op": "run", "status": "skipped"})
                continue
            if self._is_spent:
                os._exit(76)  # the next run would not start fresh; in a new runner it will
            result, output = self._run(header, run, blobs, readable)
            if result["signal"] == signal.SIGKILL and result["status"] == "exited":
                # Killed, but not by us: an operator or the kernel. Once more, and then it stands.
                result, output = self._run(header, run, blobs, readable)
            self._tell({"op": "run", **result}, output)
            is_stopped = bool(header["stop_on_limit"]) and result["status"] != "exited"
        if readable:
            self._forget.append([readable, kept_uid])
        self._tell({"op": "done", "is_spent": self._is_spent})

    def _run(
        self, header: frames.Header, run: dict[str, object], blobs: list[bytes], readable: str
    ) -> tuple[frames.Header, tuple[bytes, ...]]:
        match run["kind"]:
            case "stdio" if header["run_command"]:
                return self._command(header, blobs[int(str(run["stdin"]))], readable)
            case "stdio":
                return self._warm("stdio", b"{}\n" + blobs[0], blobs[int(str(run["stdin"]))], header)
            case "call":
                head = {name: run[name] for name in ("entry_point", "args", "kwargs")}
                return self._warm("call", json.dumps(head).encode() + b"\n" + blobs[0], b"", header)
            case "script":
                return self._script(header, run, blobs)
            case kind:
                raise frames.FrameError(f"an unknown run {kind!r}")

    def _prepare(
        self, header: frames.Header, source: bytes
    ) -> tuple[str, int, tuple[frames.Header, tuple[bytes, ...]]]:
        """Writes the source into a directory that stays for the job, and compiles it there."""
        limits = header["compile_limits"]
        assert isinstance(limits, dict)
        process = _Process(
            kind="exec" if header["compile_command"] else "place", limits=_kernel(limits), descriptors=[]
        )
        process.source_name = str(header["source_name"])
        process.keep = True
        process.uid, process.directory = self._next("-kept")
        process.argv = self._argv(header["compile_command"], process.directory, process.source_name)
        limits = {**limits, "output_bytes": _COMPILE_OUTPUT_BYTES}
        result = self._execute([process], [b"{}\n" + source], b"", limits, is_strict=False)
        return process.directory, process.uid, result

    def _argv(self, template: object, directory: str, source_name: str) -> list[str]:
        assert isinstance(template, list)
        names = {"{source}": f"{directory}/{source_name}", "{binary}": f"{directory}/program", "{dir}": directory}
        argv = []
        for word in template:
            for mark, value in names.items():
                word = str(word).replace(mark, value)  # noqa: PLW2901
            argv.append(word)
        if argv and "/" not in argv[0]:
            argv[0] = shutil.which(argv[0]) or f"/usr/bin/{argv[0]}"
        return argv

    def _command(self, header: frames.Header, stdin: bytes, readable: str) -> tuple[frames.Header, tuple[bytes, ...]]:
        limits = header["limits"]
        assert isinstance(limits, dict)
        process = _Process(kind="exec", limits=_kernel(limits), descriptors=[], readable=readable)
        process.argv = self._argv(header["run_command"], readable, str(header["source_name"]))
        process.uid, process.directory = self._next()
        return self._execute([process], [b""], stdin, limits)

    def _warm(
        self, kind: str, payload: bytes, stdin: bytes, header: frames.Header
    ) -> tuple[frames.Header, tuple[bytes, ...]]:
        limits = header["limits"]
        assert isinstance(limits, dict)
        process = _Process(kind=kind, limits=_kernel(limits), descriptors=[])
        process.uid, process.directory = self._next()
        return self._execute([process], [payload], stdin, limits)

    def _script(
        self, header: frames.Header, run: dict[str, object], blobs: list[bytes]
    ) -> tuple[frames.Header, tuple[bytes, ...]]:
        """The tester leads; the solution's server hangs on the other end of a socket pair."""
        limits = header["limits"]
        assert isinstance(limits, dict)
        ours, theirs = socket.socketpair()
        own = {
            **_kernel(limits),
            "memory_bytes": _TESTER_MEMORY_BYTES,
            "cpu_time_s": limits["cpu_time_s"] + _TESTER_EXTRA_S,
        }
        tester = _Process(kind="tester", limits=own, descriptors=[ours.detach()])
        server = _Process(kind="server", limits=_kernel(limits), descriptors=[theirs.detach()])
        for process in (tester, server):
            process.uid, process.directory = self._next()
        head = {"framework": run["framework"], "entry_point": run["entry_point"]}
        payloads = [json.dumps(head).encode() + b"\n" + blobs[int(str(run["script"]))], b"{}\n" + blobs[0]]
        return self._execute([tester, server], payloads, b"", limits)

    def _next(self, suffix: str = "") -> tuple[int, str]:
        self._counter += 1
        base = self._jail.uid_base
        uid = base + self._counter % jail.UIDS_PER_RUNNER if base else 0
        return uid, f"{self._jail.work}/{self._counter}{suffix}"

    # --- one execution ---

    def _execute(
        self,
        processes: list[_Process],
        payloads: list[bytes],
        stdin: bytes,
        limits: dict[str, float],
        *,
        is_strict: bool = True,
    ) -> tuple[frames.Header, tuple[bytes, ...]]:
        """Runs one or two children; the first leads, and the last is the one whose limits count."""
        pipes: list[_Pipe] = []
        descriptors: list[int] = []
        output, report = int(limits["output_bytes"]), int(limits["report_bytes"])
        for at, (process, payload) in enumerate(zip(processes, payloads, strict=True)):
            extra = process.descriptors
            out_kept = output if process.kind in ("stdio", "exec") else _UNREAD_BYTES
            out = self._pipe(pipes, output, is_strict=is_strict, kept=out_kept)
            err = self._pipe(pipes, _STDERR_BYTES, is_strict=False, kept=_STDERR_BYTES)
            process.descriptors = [_memory_file(stdin if at == 0 else b""), out, err, _memory_file(payload), *extra]
            if at == 0:
                process.descriptors.append(self._pipe(pipes, report, is_strict=True, kept=report))
            descriptors += process.descriptors
        request = {"processes": [process.request() for process in processes], "forget": self._forget}
        self._forget = []
        try:
            socket.send_fds(self._control, [json.dumps(request).encode()], descriptors)
        except OSError:
            self._end_without_zygote()
        for descriptor in descriptors:
            os.close(descriptor)
        try:
            outcome = self._watch(processes, pipes, limits)
        finally:
            for pipe in pipes:
                os.close(pipe.descriptor)
        result: frames.Header = {
            "status": outcome.status, "exit_code": outcome.code, "signal": outcome.signal,
            "cpu_time_s": outcome.cpu_time_s, "memory_bytes": outcome.memory_bytes,
        }  # fmt: skip
        return result, (bytes(pipes[0].data), bytes(pipes[1].data), bytes(pipes[2].data))

    @staticmethod
    def _pipe(pipes: list[_Pipe], limit: int, *, is_strict: bool, kept: int) -> int:
        read, write = os.pipe()
        os.set_blocking(read, False)
        pipes.append(_Pipe(read, limit, is_strict, min(kept, limit)))
        return write

    def _zygote_says(self) -> dict[str, object]:
        try:
            data = self._control.recv(zygote.MESSAGE_BYTES)
        except OSError:
            data = b""
        if not data:
            self._end_without_zygote()
        message = json.loads(data)
        assert isinstance(message, dict)
        return message

    def _end_without_zygote(self) -> NoReturn:
        """Without it nothing can run: the host sees us end, and starts another.

        It learns by our exit code whether somebody killed the zygote, or the job brought it down.
        """
        _, status = os.waitpid(self.zygote_pid, 0)
        for _ in range(_KILL_ROUNDS):
            # Its children are ours now, because we are a subreaper.
            left = zygote.descendants(os.getpid())
            if not left:
                break
            for pid in left:
                with contextlib.suppress(OSError):
                    os.kill(pid, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass
            time.sleep(0.0005)
        os._exit(128 + signal.SIGKILL if os.waitstatus_to_exitcode(status) == -signal.SIGKILL else 75)

    def _watch(self, processes: list[_Process], pipes: list[_Pipe], limits: dict[str, float]) -> _Outcome:
        """Pumps and watches until the zygote says that all have ended, and the pipes are empty."""
        started = time.monotonic()
        pids = self._zygote_says()["pids"]
        assert isinstance(pids, list)
        for process, pid in zip(processes, pids, strict=True):
            process.pid = pid
        outcome = _Outcome()
        ended: list[list[float] | None] = []
        deadline = started + limits["wall_s"]
        tick = _FIRST_TICK_S
        with selectors.DefaultSelector() as selector:
            for pipe in pipes:
                selector.register(pipe.descriptor, selectors.EVENT_READ, pipe)
            selector.register(self._control, selectors.EVENT_READ, self._control)
            selector.register(0, selectors.EVENT_READ)
            waiting = len(pipes) + 1
            while waiting:
                events = selector.select(tick)
                for key, _ in events:
                    if isinstance(key.data, _Pipe):
                        is_over = not self._pull(key.data, outcome)
                    elif key.data is self._control:
                        is_over, ended = True, self._ended()
                        deadline = time.monotonic() + _DRAIN_S
                    else:
                        is_over = self._listen()
                    if is_over:
                        selector.unregister(key.fileobj)
                        waiting -= 1
                now = time.monotonic()
                if ended and now > deadline:
                    break
                if not ended and not outcome.is_killed and (not events or now > started + tick):
                    self._check(outcome, processes, limits, is_late=now > deadline)
                    tick = _TICK_S
        self._judge(outcome, processes, ended, limits)
        return outcome

    def _pull(self, pipe: _Pipe, outcome: _Outcome) -> bool:
        """Reads from a child; False at the end of its output."""
        is_open = pipe.pull()
        if pipe.is_over and pipe.is_strict:
            self._kill(outcome, "output")
        return is_open

    def _ended(self) -> list[list[float] | None]:
        message = self._zygote_says()
        ended = message["ended"]
        assert isinstance(ended, list)
        if message["broken"]:
            raise _Broken(str(message["broken"]))
        self._others_cpu_time_s = float(str(message["others_cpu_time_s"]))
        self._is_spent = self._is_spent or not message["is_clean"]
        return ended

    def _listen(self) -> bool:
        """Keeps what the host sends meanwhile; if it has gone, so do we, and the namespace with us."""
        chunk = os.read(0, _CHUNK)
        if not chunk:
            os._exit(0)
        self._buffer += chunk
        return False

    def _kill(self, outcome: _Outcome, status: str) -> None:
        if not outcome.is_killed:
            outcome.status = status
            outcome.is_killed = True
            try:
                self._control.send(b'{"kill": true}')
            except OSError:
                self._end_without_zygote()

    def _check(self, outcome: _Outcome, processes: list[_Process], limits: dict[str, float], *, is_late: bool) -> None:
        """Compares what a child uses with its limits, while it runs; what it cut loose is the zygote's, and counts."""
        judged = processes[-1]
        others = {process.pid for process in processes[:-1]}
        roots = [pid for pid in {judged.pid, *zygote.children_of(self.zygote_pid)} if pid not in others]
        cpu, rss, count = _tree_use(roots, self._base_rss if judged.kind in zygote.WARM else 0)
        if cpu > limits["cpu_time_s"] or is_late:
            self._kill(outcome, "time")
        elif rss > self._memory_limit(judged, limits):
            self._kill(outcome, "memory")
        elif count > limits["processes"]:
            self._kill(outcome, "processes")

    def _judge(
        self, outcome: _Outcome, processes: list[_Process], ended: list[list[float] | None], limits: dict[str, float]
    ) -> None:
        """The final word, from what the kernel counted."""
        leader = ended[0] or [0, 0.0, 0]
        judged = ended[-1] or [0, 0.0, 0]
        code = os.waitstatus_to_exitcode(int(leader[0]))
        outcome.code, outcome.signal = (code, 0) if code >= 0 else (0, -code)
        outcome.cpu_time_s, outcome.memory_bytes = float(judged[1]) + self._others_cpu_time_s, int(judged[2])
        ends = {-os.waitstatus_to_exitcode(int(one[0])) for one in ended if one is not None}
        if outcome.status != "exited":
            return
        if outcome.cpu_time_s > limits["cpu_time_s"] or _XCPU in ends:
            outcome.status = "time"
        elif _XFSZ in ends:
            outcome.status = "output"
        elif processes[-1].kind not in zygote.WARM and judged[2] > self._memory_limit(processes[-1], limits):
            outcome.status = "memory"

    def _memory_limit(self, judged: _Process, limits: dict[str, float]) -> float:
        # What becomes another program begins as a fork of the zygote, and the kernel's maximum never forgets it.
        least = 0.0 if judged.kind in zygote.WARM else 1.5 * self._base_rss
        return max(limits["memory_bytes"], least)


_TOOLS = ("python3", "g++", "gcc", "node", "java", "javac", "go", "rustc", "bash", "tsc")


def _kernel(limits: dict[str, float]) -> dict[str, float]:
    return {name: limits[name] for name in ("cpu_time_s", "memory_bytes", "file_bytes", "processes")}


def _memory_file(data: bytes) -> int:
    """A file in memory, at its beginning: the child can read it without anybody pumping."""
    descriptor = os.memfd_create("input")
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


def _tree_use(pids: list[int], base_rss: int = 0) -> tuple[float, int, int]:
    """CPU seconds of processes and all below them, their resident bytes beyond ``base_rss`` each, and their number."""
    cpu, rss, count = 0.0, 0, 0
    page, tick = os.sysconf("SC_PAGE_SIZE"), os.sysconf("SC_CLK_TCK")
    todo = list(pids)
    while todo:
        one = todo.pop()
        with contextlib.suppress(OSError, ValueError, IndexError):
            with open(f"/proc/{one}/stat", encoding="ascii", errors="replace") as stat:
                fields = stat.read().rpartition(")")[2].split()
            cpu += (int(fields[11]) + int(fields[12]) + int(fields[13]) + int(fields[14])) / tick
            count += 1
            rss += max(int(fields[21]) * page - base_rss, 0)
        todo += zygote.children_of(one)
    return cpu, rss, count


def main() -> None:
    """Starts from ``sys.argv[1]``: is_container, scratch, uid_base and mode as JSON."""
    config = json.loads(sys.argv[1])
    os.set_inheritable(0, False)  # noqa: FBT003 (its only form)
    walls.prctl(walls.PR_SET_PDEATHSIG, signal.SIGKILL)
    walls.prctl(walls.PR_SET_CHILD_SUBREAPER, 1)
    answers = os.dup(1)
    os.dup2(os.open(os.devnull, os.O_RDWR), 1)
    try:
        built = jail.build(**config)
    except (jail.JailError, OSError) as error:
        frame = frames.pack({"op": "refused", "reason": str(error)})
        os.write(answers, frame)
        return
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    pid = os.fork()
    if pid == 0:
        _become_zygote(theirs, built, [0, answers, ours.fileno()])
    theirs.close()
    supervisor = Supervisor(built, ours, answers)
    supervisor.zygote_pid = pid
    supervisor.serve()
    os._exit(0)


def _become_zygote(control: socket.socket, built: jail.Jail, foreign: list[int]) -> None:
    """The zygote's life; its descriptors stand above those of the children, and the host's are closed."""
    code = 71
    try:
        # It asks for no signal when the supervisor dies: it sees that, and kills what runs before it ends.
        walls.prctl(walls.PR_SET_CHILD_SUBREAPER, 1)
        with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w", encoding="ascii") as score:
            score.write("1000")
        high = fcntl.fcntl(control.fileno(), fcntl.F_DUPFD_CLOEXEC, jail.LOW_DESCRIPTORS)
        control.detach()
        null = os.open(os.devnull, os.O_RDWR)
        for descriptor in foreign:
            os.dup2(null, descriptor)
        zygote.Zygote(socket.socket(fileno=high), built).serve()
        code = 0
    finally:
        os._exit(code)
