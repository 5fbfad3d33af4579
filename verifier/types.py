"""The words of the domain: groups of completions, references, verdicts.

Plain frozen data that every layer shares. Nothing here imports more than the standard library, and no
protobuf message passes this point: ``verifier.wire.codec`` translates.

What callers make checks its types when it is made, because a text in the place of a tuple of texts would be judged
letter by letter. A list is taken for a tuple.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum, StrEnum
from types import UnionType


class Outcome(Enum):
    """What judging found, and so who is at fault."""

    CORRECT = "CORRECT"
    """The completion is right. Has a score."""
    INCORRECT = "INCORRECT"
    """The completion is wrong, or brought its trouble about itself. Has a score."""
    UNSCORABLE = "UNSCORABLE"
    """The task is at fault: no judge could score it. No score, and no use in a retry."""
    FAILED = "FAILED"
    """We are at fault: a worker or sandbox was lost. No score; worth a retry."""


class TestStatus(Enum):
    """Status of one test case, in the words of contest judges."""

    __test__ = False  # pytest collects classes by this prefix

    AC = "AC"
    """Accepted."""
    WA = "WA"
    """Wrong answer."""
    TLE = "TLE"
    """Time limit exceeded."""
    MLE = "MLE"
    """Memory limit exceeded."""
    OLE = "OLE"
    """Output limit exceeded."""
    RE = "RE"
    """Run-time error."""
    CE = "CE"
    """Compile error."""
    NO_CODE = "NO_CODE"
    """The completion holds no program."""
    SKIPPED = "SKIPPED"
    """Not run, because an earlier test case passed a limit."""


class Framework(StrEnum):
    """How a script of tests is written."""

    PLAIN = "plain"
    """Statements; the script passes when it runs to its end."""
    UNITTEST = "unittest"
    """``unittest.TestCase`` classes."""
    PYTEST = "pytest"
    """A pytest file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MathReference:
    """Gold answers of a mathematical problem, each a LaTeX or plain text; any of them is right.

    Raises:
        TypeError: a field has another type; the message names it.
    """

    answers: tuple[str, ...]

    def __post_init__(self) -> None:
        _require_tuple(self, "answers", str)


@dataclass(frozen=True, slots=True, kw_only=True)
class StdioTest:
    """One run of a program: what it reads from standard input, and what it must print."""

    input: str
    output: str

    def __post_init__(self) -> None:
        _require(self, str, "input", "output")


@dataclass(frozen=True, slots=True, kw_only=True)
class CallTest:
    """One call of the entry point. All three are JSON text, so that big integers and floats stay exact.

    ``args`` is a JSON list, ``kwargs`` a JSON object (empty text for none), ``expected`` any JSON value.
    """

    args: str
    kwargs: str = ""
    expected: str

    def __post_init__(self) -> None:
        _require(self, str, "args", "kwargs", "expected")


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeReference:
    """Tests of a program: exactly one of ``stdio``, ``calls`` and ``script`` is given.

    ``time_limit_s`` is CPU time for each test case (for the whole script); None takes the verifier's default,
    as None does for ``memory_limit_bytes``.

    Raises:
        TypeError: a field has another type; the message names it.
    """

    language: str
    stdio: tuple[StdioTest, ...] = ()
    calls: tuple[CallTest, ...] = ()
    script: str = ""
    framework: str = Framework.PLAIN.value
    entry_point: str = ""
    time_limit_s: float | None = None
    memory_limit_bytes: int | None = None

    def __post_init__(self) -> None:
        _require(self, str, "language", "script", "framework", "entry_point")
        _require_tuple(self, "stdio", StdioTest)
        _require_tuple(self, "calls", CallTest)
        _require(self, int | float | None, "time_limit_s")
        _require(self, int | None, "memory_limit_bytes")


Reference = MathReference | CodeReference
"""The closed union of what a completion can be judged against."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """One prompt, its reference and the G completions sampled for it: the unit of work.

    Raises:
        TypeError: a field has another type; the message names it.
    """

    id: str
    completions: tuple[str, ...]
    prompt: str = ""
    reference: Reference | None = None
    language: str = ""
    """Natural language asked for, as an ISO 639-1 code; empty takes that of the prompt."""
    recipe: str = ""
    """Name of the recipe that makes the reward; empty takes the engine's default."""

    def __post_init__(self) -> None:
        _require(self, str, "id", "prompt", "language", "recipe")
        _require_tuple(self, "completions", str)
        _require(self, Reference | None, "reference")


@dataclass(frozen=True, slots=True, kw_only=True)
class TestResult:
    """What one test case found."""

    __test__ = False

    name: str
    status: TestStatus
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What one verifier found of one completion.

    Args:
        verifier: name of the verifier, such as ``math``.
        outcome: what was found.
        score: in [0, 1] for CORRECT and INCORRECT, None for UNSCORABLE and FAILED.
        reason: short stable code to count by, such as ``equal``; never to be parsed.
        detail: for a reader: what was compared, or the remedy. The same for the same input.
        tests: one for each test case, where the verifier ran any.

    Raises:
        ValueError: the score does not fit the outcome.
    """

    verifier: str
    outcome: Outcome
    score: float | None
    reason: str
    detail: str = ""
    tests: tuple[TestResult, ...] = ()

    def __post_init__(self) -> None:
        judged = self.outcome in (Outcome.CORRECT, Outcome.INCORRECT)
        if judged != (self.score is not None):
            raise ValueError(f"{self.verifier}: a verdict {self.outcome.value} cannot have the score {self.score}")
        if self.score is not None and not (math.isfinite(self.score) and 0.0 <= self.score <= 1.0):
            raise ValueError(f"{self.verifier}: score {self.score} is outside [0, 1]")

    @classmethod
    def correct(cls, verifier: str, reason: str, detail: str = "", *, score: float = 1.0) -> Verdict:
        """A verdict CORRECT."""
        return cls(verifier=verifier, outcome=Outcome.CORRECT, score=score, reason=reason, detail=detail)

    @classmethod
    def incorrect(cls, verifier: str, reason: str, detail: str = "", *, score: float = 0.0) -> Verdict:
        """A verdict INCORRECT."""
        return cls(verifier=verifier, outcome=Outcome.INCORRECT, score=score, reason=reason, detail=detail)

    @classmethod
    def unscorable(cls, verifier: str, reason: str, detail: str = "") -> Verdict:
        """A verdict UNSCORABLE: the task is at fault."""
        return cls(verifier=verifier, outcome=Outcome.UNSCORABLE, score=None, reason=reason, detail=detail)

    @classmethod
    def failed(cls, verifier: str, reason: str, detail: str = "") -> Verdict:
        """A verdict FAILED: we are at fault."""
        return cls(verifier=verifier, outcome=Outcome.FAILED, score=None, reason=reason, detail=detail)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """One completion judged: its reward (None when the recipe cannot be computed) and the verdicts behind it."""

    reward: float | None
    verdicts: tuple[Verdict, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupResult:
    """A group judged: one ``Scored`` a completion, in the group's order."""

    id: str
    scores: tuple[Scored, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineInfo:
    """What an engine is made of; ``config_hash`` changes whenever a verdict or reward could."""

    version: str
    verifiers: tuple[str, ...]
    recipes: tuple[str, ...]
    sandboxes: tuple[str, ...]
    config_hash: str


def _require(owner: object, kind: type | UnionType, *names: str) -> None:
    for name in names:
        value = getattr(owner, name)
        if not isinstance(value, kind):
            raise TypeError(_mismatch(owner, name, kind, value))


def _require_tuple(owner: object, name: str, kind: type) -> None:
    values = getattr(owner, name)
    if isinstance(values, list):
        values = tuple(values)
        object.__setattr__(owner, name, values)
    if not isinstance(values, tuple):
        raise TypeError(f"{_mismatch(owner, name, tuple, values)}; give a tuple of {kind.__name__}")
    for index, value in enumerate(values):
        if not isinstance(value, kind):
            raise TypeError(_mismatch(owner, f"{name}[{index}]", kind, value))


def _mismatch(owner: object, name: str, kind: type | UnionType, value: object) -> str:
    expected = kind.__name__ if isinstance(kind, type) else " | ".join(part.__name__ for part in kind.__args__)
    return f"{type(owner).__name__}.{name}: expected {expected}, got {type(value).__name__}"
