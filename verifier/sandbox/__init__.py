"""Where programs that a model wrote are run. To add a backend: its module, and its line in ``SANDBOXES``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

from verifier.sandbox.base import Sandbox


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxConfig:
    """What a backend is made from.

    Args:
        slots: programs that run at once.
        image_prefix: Docker images are named prefix, toolchain, ``:``, tag.
        image_tag: see ``image_prefix``.
        runtime: runtime of the Docker engine; empty takes its default.
    """

    slots: int
    image_prefix: str = "assay-sandbox-"
    image_tag: str = "latest"
    runtime: str = ""


class StartableSandbox(Sandbox, Protocol):
    """A sandbox that can be warmed up before the first job."""

    async def start(self) -> None:
        """Starts what can be started ahead.

        Raises:
            SandboxError: it cannot; each job will be answered with the same error.
        """
        ...


DOCKER = "docker"
"""Name of the backend whose containers outlive a process that was killed."""


def _local(config: SandboxConfig) -> StartableSandbox:
    from verifier.sandbox.local import LocalSandbox  # noqa: PLC0415 - most processes judge no programs

    return LocalSandbox(slots=config.slots)


def _docker(config: SandboxConfig) -> StartableSandbox:
    from verifier.sandbox.docker import DockerSandbox  # noqa: PLC0415 - its SDK takes a tenth of a second

    return DockerSandbox(
        slots=config.slots,
        image_prefix=config.image_prefix,
        image_tag=config.image_tag,
        runtime=config.runtime,
    )


SANDBOXES: Mapping[str, Callable[[SandboxConfig], StartableSandbox]] = MappingProxyType(
    {"local": _local, DOCKER: _docker}
)

__all__ = ["DOCKER", "SANDBOXES", "Sandbox", "SandboxConfig", "StartableSandbox"]
