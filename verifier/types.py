"""The words of the domain: groups of completions, references, verdicts.

Plain frozen data that every layer shares. Nothing here imports more than the standard library, and no
protobuf message passes this point: ``verifier.wire.codec`` translates.

What callers make checks its types when it is made, because a text in the place of a tuple of texts would be judged
letter by letter. A list is taken for a tuple.
"""

from __future__ import annotations

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


class Comparison(StrEnum):
    """How the whole output of a program is compared with the expected one."""

    TOKENS = "tokens"
    """What stands between ASCII white space must be the same, in its order."""
    TOKENS_IGNORE_CASE = "tokens_ignore_case"
    """As ``tokens``, with upper and lower case of ASCII letters the same."""
    LINES = "lines"
    """Lines must be the same, but for white space at their ends and empty lines at the end."""
    EXACT = "exact"
    """Every byte must be the same."""


class Protocol(StrEnum):
    """How a judge program of a task is called, and how it answers."""

    TESTLIB = "testlib"
    """Arguments input, output, answer; exit code 0 right, 1 and 2 wrong, 3 the judge's own failure, 7 points."""
    ICPC = "icpc"
    """Arguments input, answer, feedback directory, with the output on standard input; exit code 42 right, 43 wrong."""
    PRINTED = "printed"
    """Arguments input, answer, output; prints a score in [0, 1] (open-r1/codeforces)."""


class Scoring(StrEnum):
    """How the test cases of a program become one score."""

    ALL = "all"
    """1 if every test case was accepted, else 0."""
    FRACTION = "fraction"
    """Accepted test cases over all."""
    GROUPS = "groups"
    """Points of the groups of which every test case was accepted, over the points of all (IOI subtasks)."""


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
    """One run of a program: what it reads from standard input, and what it must print.

    ``accepted`` are further outputs that are right too; ``group`` names the test group it belongs to.
    """

    input: str
    output: str
    accepted: tuple[str, ...] = ()
    group: str = ""

    def __post_init__(self) -> None:
        _require(self, str, "input", "output", "group")
        _require_tuple(self, "accepted", str)


@dataclass(frozen=True, slots=True, kw_only=True)
class CallTest:
    """One call of the entry point. All three are JSON text, so that big integers and floats stay exact.

    ``args`` is a JSON list, ``kwargs`` a JSON object (empty text for none), ``expected`` any JSON value.
    ``group`` names the test group it belongs to.
    """

    args: str
    kwargs: str = ""
    expected: str
    group: str = ""

    def __post_init__(self) -> None:
        _require(self, str, "args", "kwargs", "expected", "group")


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFile:
    """A further file of a judge program, such as ``testlib.h``. ``name`` has no directory."""

    name: str
    text: str

    def __post_init__(self) -> None:
        _require(self, str, "name", "text")


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeProgram:
    """A program of the task that judges what a solution prints (checker) or talks with it (interactor).

    Args:
        language: it is written in.
        source: the program.
        files: that its compiler finds beside it.
        protocol: how it is called and answers; one of ``Protocol``.
        args: further arguments, after those of the protocol.
    """

    language: str
    source: str
    files: tuple[SourceFile, ...] = ()
    protocol: str = Protocol.TESTLIB.value
    args: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _require(self, str, "language", "source", "protocol")
        _require_tuple(self, "files", SourceFile)
        _require_tuple(self, "args", str)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tolerance:
    """Two numbers are equal if they differ by ``absolute`` at most, or by ``relative`` times the expected one."""

    absolute: float = 0.0
    relative: float = 0.0

    def __post_init__(self) -> None:
        _require(self, int | float, "absolute", "relative")


@dataclass(frozen=True, slots=True, kw_only=True)
class TestGroup:
    """A group of test cases that gives its points only as a whole."""

    __test__ = False

    name: str
    points: float

    def __post_init__(self) -> None:
        _require(self, str, "name")
        _require(self, int | float, "points")


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeReference:
    """Tests of a program: exactly one of ``stdio``, ``calls`` and ``script`` is given.

    ``time_limit_s`` is CPU time for each test case (for the whole script); None takes the verifier's default,
    as None does for ``memory_limit_bytes``.

    Args:
        language: of the program, by a name or tag of ``verifier.judging.LANGUAGES``.
        stdio: runs of the whole program.
        calls: calls of the entry point (Python).
        script: a program of tests.
        framework: how the script is written; one of ``Framework``.
        entry_point: the function or class under test.
        time_limit_s: see above.
        memory_limit_bytes: see above.
        prelude: code of the task that stands in front of the program: imports, helper types.
        signature: for a script in another language than Python, the entry point's declaration in that language with
            the imports and types that it needs; a body is passed over.
        in_place: the task changes its arguments. In ``calls`` the expected value is then that of the first argument
            after the call; in a script every call changes the arguments for the tests.
        comparison: of outputs; one of ``Comparison``.
        tolerance: of numbers in outputs and returned values; None compares exactly.
        checker: judges outputs in the place of ``comparison``.
        interactor: talks with the program; ``StdioTest.input`` is the interactor's.
        scoring: one of ``Scoring``.
        groups: points of the test groups, for ``Scoring.GROUPS``.

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
    prelude: str = ""
    signature: str = ""
    in_place: bool = False
    comparison: str = Comparison.TOKENS.value
    tolerance: Tolerance | None = None
    checker: JudgeProgram | None = None
    interactor: JudgeProgram | None = None
    scoring: str = Scoring.ALL.value
    groups: tuple[TestGroup, ...] = ()

    def __post_init__(self) -> None:
        _require(self, str, "language", "script", "framework", "entry_point", "prelude", "signature")
        _require(self, str, "comparison", "scoring")
        _require(self, bool, "in_place")
        _require(self, Tolerance | None, "tolerance")
        _require(self, JudgeProgram | None, "checker", "interactor")
        _require_tuple(self, "stdio", StdioTest)
        _require_tuple(self, "calls", CallTest)
        _require_tuple(self, "groups", TestGroup)
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
        judged = self.outcome is Outcome.CORRECT or self.outcome is Outcome.INCORRECT
        if judged != (self.score is not None):
            raise ValueError(f"{self.verifier}: a verdict {self.outcome.value} cannot have the score {self.score}")
        if self.score is not None and not 0.0 <= self.score <= 1.0:  # nor is NaN
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
    """What an engine is made of.

    ``config_hash`` changes whenever a verdict or reward could. ``default_recipe`` is that of groups that name none;
    empty where a server does not tell.
    """

    version: str
    verifiers: tuple[str, ...]
    recipes: tuple[str, ...]
    sandboxes: tuple[str, ...]
    config_hash: str
    default_recipe: str = ""


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
