"""The peer of ``code_programs.py``: a fork of a warm interpreter for each program, with no walls at all.

It does what such a server cannot do without, and nothing else. It preloads what our runner preloads; for each
request it forks, compiles and executes the program in the child with its input on a pipe, reads all output and
errors, waits, and answers. There is no uid, filter, limit, clock, directory or clean-up, and the program can read and
change everything that the server has.

    python -s bare_fork.py DIRECTORY_OF_THE_RUNNER < requests > answers

A request is two blobs, program and input; an answer is two, output and errors. Before each stands its length.
"""

import gc
import importlib
import importlib.util
import os
import select
import struct
import sys

LENGTH = struct.Struct(">I")


def exactly(count: int) -> bytes:
    """So many bytes of the requests; the server ends with them."""
    data = b""
    while len(data) < count:
        part = os.read(0, count - len(data))
        if not part:
            raise SystemExit
        data += part
    return data


def blob() -> bytes:
    """The next blob of a request."""
    return exactly(LENGTH.unpack(exactly(LENGTH.size))[0])


def child(program: bytes, pipes: tuple[int, int, int]) -> None:
    """Runs the program on the pipes; never returns."""
    for number, pipe in enumerate(pipes):
        os.dup2(pipe, number)
    os.closerange(3, 64)
    code = 1
    try:
        exec(compile(program, "solution.py", "exec", dont_inherit=True), {"__name__": "__main__"})  # noqa: S102
        sys.stdout.flush()
        code = 0
    finally:
        os._exit(code)


def run(program: bytes, given: bytes) -> tuple[bytes, bytes]:
    """Forks for one program, feeds it and reads it to its end."""
    (stdin, feed), (output, stdout), (errors, stderr) = (os.pipe() for _ in range(3))
    pid = os.fork()
    if pid == 0:
        child(program, (stdin, stdout, stderr))
    for descriptor in (stdin, stdout, stderr):
        os.close(descriptor)
    os.write(feed, given)
    os.close(feed)
    taken: dict[int, list[bytes]] = {output: [], errors: []}
    unfinished = [output, errors]
    while unfinished:
        for descriptor in select.select(unfinished, [], [])[0]:
            chunk = os.read(descriptor, 1 << 16)
            taken[descriptor].append(chunk)
            if not chunk:
                unfinished.remove(descriptor)
                os.close(descriptor)
    os.waitpid(pid, 0)
    return b"".join(taken[output]), b"".join(taken[errors])


def preload(directory: str) -> None:
    """Imports the runner's own modules and all that it preloads for programs."""
    spec = importlib.util.spec_from_file_location(
        "assay_runner", f"{directory}/__init__.py", submodule_search_locations=[directory]
    )
    if spec is None or spec.loader is None:
        raise SystemExit(f"no runner in {directory}")
    package = importlib.util.module_from_spec(spec)
    sys.modules["assay_runner"] = package
    spec.loader.exec_module(package)
    for name in importlib.import_module("assay_runner.zygote")._PRELOADED:  # noqa: SLF001
        importlib.import_module(name)


def main() -> None:
    """Preloads, then serves until there are no more requests."""
    preload(sys.argv[1])
    gc.collect()
    gc.freeze()
    while True:
        answer = run(blob(), blob())
        os.write(1, b"".join(LENGTH.pack(len(part)) + part for part in answer))


if __name__ == "__main__":
    main()
