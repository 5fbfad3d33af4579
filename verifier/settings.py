"""Every setting of the verifier: defaults < TOML file < environment ``ASSAY_*`` < flags, one frozen object.

To add a setting: one field of ``Settings`` with a comment, and its bounds in ``_MINIMA`` where it has any. The
TOML file has the fields as top-level keys; the environment has them in capitals after ``ASSAY_``.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path

from verifier.errors import InvalidRequestError, UnknownNameError

ENVIRONMENT_PREFIX = "ASSAY_"

Value = str | int | float | bool


def _processors() -> int:
    return len(os.sched_getaffinity(0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the parts are built from. ``load_settings`` makes and checks one."""

    # What judges.
    server: str = ""
    """Address HOST:PORT of a server that judges; empty judges in this process."""
    sandbox: str = "local"
    """Name of the sandbox backend."""
    recipe: str = "accuracy"
    """Recipe of the groups that name none."""
    recipes_file: str = ""
    """TOML file of the user's own recipes."""
    workers: int = field(default_factory=_processors)
    """Judging processes."""
    sandbox_slots: int = field(default_factory=_processors)
    """Programs that run at once in the sandbox."""
    image_prefix: str = "assay-sandbox-"
    """Docker images are named prefix, toolchain, colon, tag."""
    image_tag: str = "latest"
    """Tag of the Docker images."""
    docker_runtime: str = ""
    """Runtime of the Docker engine, such as runsc; empty takes its default."""

    # What bounds it.
    max_pending_completions: int = 4096
    """Completions that may wait or be judged at once; past it the answer is "try later"."""
    max_pending_bytes: int = 1 << 30
    """Bytes of messages that a server holds for them; past it the answer is the same."""
    max_completion_bytes: int = 2 << 20
    """Longest completion that is read, in bytes of UTF-8."""

    # The server.
    bind: str = "127.0.0.1:50051"
    """Address HOST:PORT that the server listens on; port 0 takes a free one."""
    drain_s: float = 30.0
    """Time that calls in flight are given when the server is told to stop."""
    reflection: bool = True
    """Whether the server answers gRPC reflection."""

    # The client.
    deadline_s: float = 3600.0
    """Time that a client gives one group in all, with its wait in the server's queue and all retries."""

    log_level: str = "INFO"
    """Least level that is logged to standard error."""


_MINIMA: Mapping[str, float] = {
    "workers": 1,
    "sandbox_slots": 1,
    "max_pending_completions": 1,
    "max_pending_bytes": 64 << 20,
    "max_completion_bytes": 1,
    "drain_s": 0.0,
    "deadline_s": 0.001,
}
_LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
_WORDS = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}


def load_settings(
    file: str | Path | None = None,
    environ: Mapping[str, str] | None = None,
    **flags: Value | None,
) -> Settings:
    """The settings in force.

    Args:
        file: TOML file, or None.
        environ: environment to read; None reads that of this process.
        flags: fields by name; those that are None are passed over.

    Raises:
        InvalidRequestError: a value of the wrong type or out of bounds, a file that cannot be read; the message
            names the field, where it was set, and what it may be.
        UnknownNameError: a field that does not exist, in the file or among the flags.
    """
    settings = Settings()
    if file is not None and str(file):
        settings = _apply(settings, _read_file(Path(file)), source=str(file))
    settings = _apply(settings, _from_environment(os.environ if environ is None else environ), source="environment")
    settings = _apply(settings, {name: value for name, value in flags.items() if value is not None}, source="flags")
    _check(settings)
    return settings


def _read_file(path: Path) -> dict[str, object]:
    try:
        with path.open("rb") as stream:
            return tomllib.load(stream)
    except OSError as error:
        raise InvalidRequestError(f"settings file {path} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidRequestError(f"settings file {path} is not TOML: {error}") from error


def _from_environment(environ: Mapping[str, str]) -> dict[str, object]:
    values: dict[str, object] = {}
    for name, kind in _kinds().items():
        variable = ENVIRONMENT_PREFIX + name.upper()
        text = environ.get(variable)
        if text is not None:
            values[name] = _from_text(variable, text, kind)
    return values


def _from_text(variable: str, text: str, kind: type[Value]) -> Value:
    if kind is str:
        return text
    try:
        return _WORDS[text.strip().lower()] if kind is bool else kind(text)
    except (KeyError, ValueError) as error:
        raise InvalidRequestError(f"{variable}: expected {_EXPECTED[kind]}, got {text!r}") from error


_EXPECTED: Mapping[type[Value], str] = {
    str: "a text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
}


def _kinds() -> dict[str, type[Value]]:
    sample = Settings()
    return {item.name: type(getattr(sample, item.name)) for item in fields(Settings)}


def _apply(settings: Settings, values: Mapping[str, object], *, source: str) -> Settings:
    kinds = _kinds()
    checked: dict[str, Value] = {}
    for name, value in values.items():
        if name not in kinds:
            raise UnknownNameError(f"setting ({source})", name, tuple(kinds))
        checked[name] = _typed(name, value, kinds[name], source=source)
    return replace(settings, **checked)  # type: ignore[arg-type]  # each value was just checked against its field


def _typed(name: str, value: object, kind: type[Value], *, source: str) -> Value:
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    # bool is an int to Python, never to a reader.
    if isinstance(value, kind) and (kind is bool or not isinstance(value, bool)):
        return value
    raise InvalidRequestError(f"setting {name} ({source}): expected {_EXPECTED[kind]}, got {value!r}")


def _check(settings: Settings) -> None:
    for name, least in _MINIMA.items():
        value = getattr(settings, name)
        if not value >= least:
            raise InvalidRequestError(f"setting {name}: {value} is too small; give at least {least:g}")
    if settings.log_level not in _LOG_LEVELS:
        raise InvalidRequestError(f"setting log_level: {settings.log_level!r} is none of {', '.join(_LOG_LEVELS)}")
    check_address("bind", settings.bind)
    if settings.server:
        check_address("server", settings.server)


def check_address(name: str, address: str) -> None:
    """Refuses what is not HOST:PORT or unix:PATH.

    Raises:
        InvalidRequestError: naming the setting and the form.
    """
    if address.startswith("unix:"):
        return
    host, colon, port = address.rpartition(":")
    if not (colon and host and port.isascii() and port.isdigit() and int(port) <= 65535):  # noqa: PLR2004 - ports end there
        raise InvalidRequestError(
            f"setting {name}: {address!r} is not an address; write HOST:PORT, as in 127.0.0.1:50051"
        )
