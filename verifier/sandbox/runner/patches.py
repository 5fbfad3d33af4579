"""What a script of tests changes of libraries: functions put in their places, the environment, seeds.

The solution has libraries of its own, so it is told.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import random
import re
from collections.abc import Callable
from typing import Any

from . import borrowed, plain
from .channel import Message

_SEEDS = re.compile(r"\bseed\s*\(")
_REACHES = (
    "patch", "builtins", "attr", "random", "time", "import_", "__import", "modules", "exec", "eval", "globals", "vars",
    "__dict__",
)  # fmt: skip
"""Without one of these a script cannot put anything in the place of a library's function."""


class Patches:
    """What was told, to tell what is new.

    Attributes:
        may_be_made: whether the script can change anything; else there is nothing to be told.
    """

    def __init__(self) -> None:
        self._may_patch = self.may_be_made = False
        self._originals: dict[str, object] = {}
        self._told: dict[str, object] = {}
        self._environ: dict[str, str] = {}
        self._raw: dict[bytes, bytes] = {}
        self._states: dict[str, Callable[[], object]] = {}
        self._seeded: set[str] = set()

    def begin(self, script: str) -> None:
        """Looks at the tests: what they cannot change need not be compared with each message."""
        for word in _REACHES:
            if word in script:
                self._may_patch = True
                break
        self.may_be_made = self._may_patch or "env" in script
        if self._may_patch:
            self._originals = dict(borrowed.watched())
            self._told = dict(self._originals)
        if self.may_be_made:
            self._environ = dict(os.environ)
            self._raw = dict(os.environ._data)  # type: ignore[attr-defined]
        if self._may_patch and _SEEDS.search(script):
            self._watch("random", random, random.getstate)
            if "numpy" in script and importlib.util.find_spec("numpy") is not None:
                numpy_random = importlib.import_module("numpy.random")
                self._watch("numpy_random", numpy_random, numpy_random.get_state)

    def _watch(self, name: str, module: Any, state: Callable[[], object]) -> None:  # noqa: ANN401 (a library)
        """Has seeding noted: numbers that were drawn since do not show whether it was seeded again."""
        seed = module.seed

        def seeded(*args: object, **kwargs: object) -> None:
            seed(*args, **kwargs)
            self._seeded.add(name)

        module.seed = seeded
        self._states[name] = state

    def add_to(self, message: Message, encode: Callable[[object], plain.Node]) -> None:
        """Adds the changes to a message."""
        now = borrowed.watched() if self._may_patch else self._told
        if now != self._told:
            message["patches"] = {
                name: None if function is self._originals[name] else encode(function)
                for name, function in now.items()
                if function is not self._told[name]
            }
            self._told = dict(now)
        # Nothing is decoded for a look that comes with each call and finds nothing.
        if os.environ._data != self._raw:  # type: ignore[attr-defined]
            self._raw = dict(os.environ._data)  # type: ignore[attr-defined]
            environ = dict(os.environ)
            gone = dict.fromkeys(self._environ.keys() - environ.keys())
            message["environ"] = {**gone, **dict(environ.items() - self._environ.items())}
            self._environ = environ
        for name in sorted(self._seeded):
            message[name] = encode(self._states[name]())
        self._seeded.clear()
