"""Tries, from inside the jail, what no solution may do, and reports what was let through."""

from __future__ import annotations

import os
import signal
import socket

from . import children, walls


def _tried(name: str, secret: str) -> bool:
    """Whether an attempt succeeded."""
    parent = os.getppid()
    try:
        match name:
            case "write_outside":
                os.close(os.open("/assay-selftest", os.O_WRONLY | os.O_CREAT))
            case "read_host":
                os.close(os.open(secret, os.O_RDONLY))
            case "open_socket":
                socket.socket(socket.AF_INET, socket.SOCK_STREAM).close()
            case "signal_parent":
                if parent == 0:
                    return False
                os.kill(parent, signal.SIGCONT)
            case "read_parent_memory":
                os.close(os.open(f"/proc/{parent}/mem", os.O_RDONLY))
            case "read_parent_environment":
                os.close(os.open(f"/proc/{parent}/environ", os.O_RDONLY))
            case "new_namespace":
                walls.unshare(walls.CLONE_NEWUSER)
            case _:
                raise ValueError(name)
    except OSError:
        return False
    return True


ATTEMPTS = (
    "write_outside", "read_host", "open_socket", "signal_parent", "read_parent_memory", "read_parent_environment",
    "new_namespace",
)  # fmt: skip


def run(head: dict[str, object], *_: object) -> None:
    """Makes every attempt and reports those that succeeded."""
    secret = str(head["secret"])
    children.write_report({"value": [name for name in ATTEMPTS if _tried(name, secret)]})
