"""The images of the ``docker`` backend: their names, and building them.

Each folder of ``sandbox_images/`` is one toolchain; to add one, add a folder with a Dockerfile that takes ``BASE``
and ends like the others. The runner is copied into the image at build time, and its hash into a label, so that a
server never talks to a runner of another version.
"""

from __future__ import annotations

import functools
import hashlib
import io
import os
import socket
import tarfile
from collections.abc import Callable, Iterable
from pathlib import Path

import docker
import docker.errors
import requests

from verifier.errors import InvalidRequestError, SandboxError, UnknownNameError
from verifier.sandbox import runner

TOOLCHAINS = ("python", "cpp", "java", "javascript", "go", "rust")
RUNNER_LABEL = "assay.runner"
DEFAULT_BASE = "debian:bookworm-slim"
_RUNNER = Path(runner.__file__).parent
_SOURCES = Path(__file__).resolve().parents[2] / "sandbox_images"


def connect(timeout_s: int = 60) -> docker.DockerClient:
    """The engine that the environment names, shown to answer.

    Raises:
        docker.errors.DockerException, requests.RequestException, OSError: none answers.
    """
    host = os.environ.get("DOCKER_HOST") or "unix:///var/run/docker.sock"
    if host.startswith("unix://"):
        # The SDK leaves a socket open where nobody listens.
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(timeout_s)
            probe.connect(host.removeprefix("unix://"))
    client = docker.from_env(timeout=timeout_s)
    try:
        client.ping()
    except BaseException:
        client.close()
        raise
    return client


def image_name(prefix: str, toolchain: str, tag: str) -> str:
    """The name of a toolchain's image."""
    return f"{prefix}{toolchain}:{tag}"


@functools.cache
def runner_hash() -> str:
    """The hash of the runner's sources."""
    digest = hashlib.sha256()
    for path in sorted(_RUNNER.glob("*.py")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:32]


def build_images(
    names: Iterable[str], *, base: str, prefix: str, tag: str, progress: Callable[[str], None]
) -> tuple[str, ...]:
    """Builds images on the Docker engine and gives their names.

    Args:
        names: toolchains; empty builds all.
        base: image to build on; Debian or Ubuntu.
        prefix: see ``image_name``.
        tag: see ``image_name``.
        progress: is told each line of the engine's output.

    Raises:
        UnknownNameError: no such toolchain.
        InvalidRequestError: the sources of the images are not here.
        SandboxError: no engine, or the build failed; the message ends with its last lines.
    """
    wanted = tuple(names) or TOOLCHAINS
    for name in wanted:
        if name not in TOOLCHAINS:
            raise UnknownNameError("image", name, TOOLCHAINS)
    try:
        client = connect(timeout_s=1800)
    except (docker.errors.DockerException, requests.RequestException, OSError) as error:
        raise SandboxError("no_docker", "no Docker engine answers; start it or set DOCKER_HOST") from error
    try:
        return tuple(_build(client, name, base, image_name(prefix, name, tag), progress) for name in wanted)
    finally:
        client.close()


def _build(client: docker.DockerClient, toolchain: str, base: str, tag: str, progress: Callable[[str], None]) -> str:
    lines: list[str] = []
    try:
        stream = client.api.build(
            fileobj=_context(toolchain),
            custom_context=True,
            tag=tag,
            buildargs={"BASE": base},
            labels={RUNNER_LABEL: runner_hash()},
            rm=True,
            forcerm=True,
            decode=True,
        )
        for part in stream:
            text = str(part.get("stream") or part.get("error") or "").rstrip()
            if text:
                lines.append(text)
                progress(text)
            if "error" in part:
                last = "\n".join(lines[-10:])
                raise SandboxError("image_build_failed", f"{tag} cannot be built on {base}:\n{last}")
    except (docker.errors.DockerException, requests.RequestException, OSError) as error:
        raise SandboxError("image_build_failed", f"{tag} cannot be built on {base}: {error}") from error
    return tag


def _context(toolchain: str) -> io.BytesIO:
    """The build context: the toolchain's folder and the runner."""
    folder = _SOURCES / toolchain
    if not (folder / "Dockerfile").is_file():
        raise InvalidRequestError(f"{folder}/Dockerfile is missing; images are built from a clone of the project")
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for path in sorted(folder.iterdir()):
            tar.add(path, path.name)
        for path in sorted(_RUNNER.glob("*.py")):
            tar.add(path, f"runner/{path.name}")
    buffer.seek(0)
    return buffer
