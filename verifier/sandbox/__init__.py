"""Where programs that a model wrote are run. To add a backend: its module, and its line in ``SANDBOXES``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

from verifier.sandbox.base import Sandbox
from verifier.sandbox.docker import DockerSandbox
from verifier.sandbox.local import LocalSandbox


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

SANDBOXES: Mapping[str, Callable[[SandboxConfig], StartableSandbox]] = MappingProxyType(
    {
        "local": lambda config: LocalSandbox(slots=config.slots),
        DOCKER: lambda config: DockerSandbox(
            slots=config.slots,
            image_prefix=config.image_prefix,
            image_tag=config.image_tag,
            runtime=config.runtime,
        ),
    }
)

__all__ = ["DOCKER", "SANDBOXES", "Sandbox", "SandboxConfig", "StartableSandbox"]
