"""Options of a judge model, checked, and what its verdicts follow from. Asks nobody, and imports little."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from urllib.parse import urlsplit

from verifier.errors import InvalidRequestError, UnknownNameError
from verifier.generative.prompts import COMPARING, SCORING, Kind, load_template

_RESERVED = ("messages", "model", "n", "stream", "seed", "temperature", "max_tokens")
_SCALE = re.compile(r"([0-9]{1,4})-([0-9]{1,4})")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeOptions:
    """Options of a judge model.

    Args:
        url: of an OpenAI-compatible API, up to ``/v1``.
        model: that is asked for there.
        key_env: name of the environment variable that holds the key; empty sends none.
        prompt: name of a template, or path of one with the holes of its kind (``prompts.COMPARING`` or ``SCORING``).
        votes: asked for each answer, an odd number; the majority decides.
        temperature: of sampling.
        seed: of the first vote; each further one adds 1.
        max_tokens: of a reply; 0 sends no bound, for servers that take another field (see ``body``).
        timeout_s: for one request.
        in_flight: requests at once.
        retries: after trouble that may pass, and after a reply that cannot be read.
        busy_s: for which the server may say nothing but that it is busy, before requests fail for that.
        max_answer_chars: longest final answer that is read.
        body: further fields of the request, such as ``chat_template_kwargs``.
    """

    url: str = ""
    model: str = ""
    key_env: str = ""
    prompt: str = "r1"
    votes: int = 1
    temperature: float = 0.0
    seed: int = 0
    max_tokens: int = 4096
    timeout_s: float = 300.0
    in_flight: int = 64
    retries: int = 3
    busy_s: float = 900.0
    max_answer_chars: int = 20_000
    body: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """The whole numbers from ``least`` to ``most``."""

    least: int
    most: int


_RANGES: Mapping[str, tuple[float, float]] = {
    "votes": (1, 99),
    "temperature": (0.0, 2.0),
    "seed": (0, 2**31 - 1),
    "max_tokens": (0, 1_000_000),
    "timeout_s": (0.001, 86_400.0),
    "in_flight": (1, 100_000),
    "retries": (0, 100),
    "busy_s": (0.0, 86_400.0),
    "max_answer_chars": (1, 1_000_000),
}
_EXPECTED: Mapping[type, str] = {str: "a text", int: "a whole number", float: "a number"}


def judge_options(table: Mapping[str, object]) -> JudgeOptions:
    """The options in a table.

    Raises:
        UnknownNameError: an option that does not exist.
        InvalidRequestError: an option with a value that it cannot take; the message names both.
    """
    kinds = {item.name: type(item.default) for item in fields(JudgeOptions) if item.name != "body"}
    values: dict[str, object] = {}
    for name, value in table.items():
        if name == "body":
            values[name] = _body(value)
        elif name in kinds:
            values[name] = _checked(name, value, kinds[name])
        else:
            raise UnknownNameError("option", name, (*kinds, "body"))
    options = JudgeOptions(**values)  # type: ignore[arg-type]  # each value was just checked against its field
    _check(options)
    return options


def _checked(name: str, value: object, kind: type) -> object:
    if kind is float and type(value) is int:
        value = float(value)
    if type(value) is not kind:
        raise InvalidRequestError(f"{name}: expected {_EXPECTED[kind]}, got {value!r}")
    least, most = _RANGES.get(name, (0, 0))
    if isinstance(value, int | float) and not least <= value <= most:
        raise InvalidRequestError(f"{name}: must be from {least:g} to {most:g}, got {value!r}")
    return value


def _body(value: object) -> Mapping[str, object]:
    if not isinstance(value, Mapping):
        raise InvalidRequestError(f"body: expected a table of fields of the request, got {value!r}")
    for name in value:
        if name in _RESERVED:
            raise InvalidRequestError(f"body.{name}: is set by the judge itself; leave it out")
    try:
        json.dumps(dict(value))
    except TypeError as error:
        raise InvalidRequestError(f"body: cannot be sent as JSON: {error}") from error
    return dict(value)


def _check(options: JudgeOptions) -> None:
    for name in ("url", "model"):
        if not getattr(options, name):
            raise InvalidRequestError(f"{name}: is missing; a judge needs the url of its API and the name of its model")
    if "@" in options.url:
        # The url is not shown: it may hold the key.
        raise InvalidRequestError("url: must not hold a user or password; name the key's variable with key_env")
    if not _is_address(options.url):
        raise InvalidRequestError(f"url: {options.url!r} is no address such as http://127.0.0.1:8000/v1")
    if options.key_env and not _VARIABLE.fullmatch(options.key_env):
        # The value is not shown: it may be the key itself.
        raise InvalidRequestError("key_env: must be the name of an environment variable, never the key itself")
    if options.votes % 2 == 0:
        raise InvalidRequestError(f"votes: must be odd, so that there is a majority, got {options.votes}")
    if options.votes > 1 and options.temperature == 0:
        raise InvalidRequestError("votes: at temperature 0 all votes are the same; set temperature, such as 0.6")


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        is_usable = parts.port is None or parts.port > 0
    except ValueError:
        return False
    has_more = bool(parts.query or parts.fragment)
    return is_usable and parts.scheme in ("http", "https") and bool(parts.hostname) and not has_more


def scale_of(text: str) -> Scale:
    """The scale in a text such as ``1-10``.

    Raises:
        InvalidRequestError: it is none.
    """
    found = _SCALE.fullmatch(text)
    if found is None or int(found[1]) >= int(found[2]):
        raise InvalidRequestError(f'scale: {text!r} is no scale; give two whole numbers such as "1-10"')
    return Scale(least=int(found[1]), most=int(found[2]))


def api_key(options: JudgeOptions) -> str:
    """The key in its variable; empty where none is named.

    Raises:
        InvalidRequestError: the variable is not set, or holds what is no key.
    """
    if not options.key_env:
        return ""
    key = os.environ.get(options.key_env, "").strip()
    if not key:
        raise InvalidRequestError(
            f"key_env: the variable {options.key_env} is not set; export it, or leave key_env out"
        )
    if not (key.isascii() and key.isprintable()):
        raise InvalidRequestError(
            f"key_env: the variable {options.key_env} holds signs that no key has; export it again"
        )
    return key


def identity_of(options: JudgeOptions, kind: Kind = COMPARING) -> str:
    """All that the verdicts of such a judge follow from, as JSON.

    Args:
        options: of the judge.
        kind: of its template.

    Raises:
        InvalidRequestError: the template cannot be used.
    """
    deciding = {
        "model": options.model,
        "template": load_template(options.prompt, kind).sha256,
        "votes": options.votes,
        "temperature": options.temperature,
        "seed": options.seed,
        "max_tokens": options.max_tokens,
        "max_answer_chars": options.max_answer_chars,
        "body": dict(options.body),
    }
    return json.dumps(deciding, sort_keys=True)


def score_identity(options: JudgeOptions, scale: Scale) -> str:
    """All that the scores of such a judge follow from, as a text.

    Raises:
        InvalidRequestError: the template cannot be used.
    """
    return f"{scale.least}-{scale.most} {identity_of(options, SCORING)}"
