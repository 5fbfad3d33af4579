from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class VerifyRequest(_message.Message):
    __slots__ = ("groups",)
    GROUPS_FIELD_NUMBER: _ClassVar[int]
    groups: _containers.RepeatedCompositeFieldContainer[Group]
    def __init__(self, groups: _Optional[_Iterable[_Union[Group, _Mapping]]] = ...) -> None: ...

class VerifyResponse(_message.Message):
    __slots__ = ("results",)
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[GroupResult]
    def __init__(self, results: _Optional[_Iterable[_Union[GroupResult, _Mapping]]] = ...) -> None: ...

class VerifyStreamRequest(_message.Message):
    __slots__ = ("group",)
    GROUP_FIELD_NUMBER: _ClassVar[int]
    group: Group
    def __init__(self, group: _Optional[_Union[Group, _Mapping]] = ...) -> None: ...

class VerifyStreamResponse(_message.Message):
    __slots__ = ("result",)
    RESULT_FIELD_NUMBER: _ClassVar[int]
    result: GroupResult
    def __init__(self, result: _Optional[_Union[GroupResult, _Mapping]] = ...) -> None: ...

class GetInfoRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetInfoResponse(_message.Message):
    __slots__ = ("version", "verifiers", "recipes", "sandboxes", "config_hash", "default_recipe")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    VERIFIERS_FIELD_NUMBER: _ClassVar[int]
    RECIPES_FIELD_NUMBER: _ClassVar[int]
    SANDBOXES_FIELD_NUMBER: _ClassVar[int]
    CONFIG_HASH_FIELD_NUMBER: _ClassVar[int]
    DEFAULT_RECIPE_FIELD_NUMBER: _ClassVar[int]
    version: str
    verifiers: _containers.RepeatedScalarFieldContainer[str]
    recipes: _containers.RepeatedScalarFieldContainer[str]
    sandboxes: _containers.RepeatedScalarFieldContainer[str]
    config_hash: str
    default_recipe: str
    def __init__(self, version: _Optional[str] = ..., verifiers: _Optional[_Iterable[str]] = ..., recipes: _Optional[_Iterable[str]] = ..., sandboxes: _Optional[_Iterable[str]] = ..., config_hash: _Optional[str] = ..., default_recipe: _Optional[str] = ...) -> None: ...

class Group(_message.Message):
    __slots__ = ("id", "prompt", "completions", "reference", "language", "recipe")
    ID_FIELD_NUMBER: _ClassVar[int]
    PROMPT_FIELD_NUMBER: _ClassVar[int]
    COMPLETIONS_FIELD_NUMBER: _ClassVar[int]
    REFERENCE_FIELD_NUMBER: _ClassVar[int]
    LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    RECIPE_FIELD_NUMBER: _ClassVar[int]
    id: str
    prompt: str
    completions: _containers.RepeatedScalarFieldContainer[str]
    reference: Reference
    language: str
    recipe: str
    def __init__(self, id: _Optional[str] = ..., prompt: _Optional[str] = ..., completions: _Optional[_Iterable[str]] = ..., reference: _Optional[_Union[Reference, _Mapping]] = ..., language: _Optional[str] = ..., recipe: _Optional[str] = ...) -> None: ...

class Reference(_message.Message):
    __slots__ = ("math", "code")
    MATH_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    math: MathReference
    code: CodeReference
    def __init__(self, math: _Optional[_Union[MathReference, _Mapping]] = ..., code: _Optional[_Union[CodeReference, _Mapping]] = ...) -> None: ...

class MathReference(_message.Message):
    __slots__ = ("answers",)
    ANSWERS_FIELD_NUMBER: _ClassVar[int]
    answers: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, answers: _Optional[_Iterable[str]] = ...) -> None: ...

class CodeReference(_message.Message):
    __slots__ = ("language", "stdio", "calls", "script", "framework", "entry_point", "time_limit_s", "memory_limit_bytes", "prelude", "signature", "in_place", "comparison", "tolerance", "checker", "interactor", "scoring", "groups")
    LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    STDIO_FIELD_NUMBER: _ClassVar[int]
    CALLS_FIELD_NUMBER: _ClassVar[int]
    SCRIPT_FIELD_NUMBER: _ClassVar[int]
    FRAMEWORK_FIELD_NUMBER: _ClassVar[int]
    ENTRY_POINT_FIELD_NUMBER: _ClassVar[int]
    TIME_LIMIT_S_FIELD_NUMBER: _ClassVar[int]
    MEMORY_LIMIT_BYTES_FIELD_NUMBER: _ClassVar[int]
    PRELUDE_FIELD_NUMBER: _ClassVar[int]
    SIGNATURE_FIELD_NUMBER: _ClassVar[int]
    IN_PLACE_FIELD_NUMBER: _ClassVar[int]
    COMPARISON_FIELD_NUMBER: _ClassVar[int]
    TOLERANCE_FIELD_NUMBER: _ClassVar[int]
    CHECKER_FIELD_NUMBER: _ClassVar[int]
    INTERACTOR_FIELD_NUMBER: _ClassVar[int]
    SCORING_FIELD_NUMBER: _ClassVar[int]
    GROUPS_FIELD_NUMBER: _ClassVar[int]
    language: str
    stdio: _containers.RepeatedCompositeFieldContainer[StdioTest]
    calls: _containers.RepeatedCompositeFieldContainer[CallTest]
    script: str
    framework: str
    entry_point: str
    time_limit_s: float
    memory_limit_bytes: int
    prelude: str
    signature: str
    in_place: bool
    comparison: str
    tolerance: Tolerance
    checker: JudgeProgram
    interactor: JudgeProgram
    scoring: str
    groups: _containers.RepeatedCompositeFieldContainer[TestGroup]
    def __init__(self, language: _Optional[str] = ..., stdio: _Optional[_Iterable[_Union[StdioTest, _Mapping]]] = ..., calls: _Optional[_Iterable[_Union[CallTest, _Mapping]]] = ..., script: _Optional[str] = ..., framework: _Optional[str] = ..., entry_point: _Optional[str] = ..., time_limit_s: _Optional[float] = ..., memory_limit_bytes: _Optional[int] = ..., prelude: _Optional[str] = ..., signature: _Optional[str] = ..., in_place: _Optional[bool] = ..., comparison: _Optional[str] = ..., tolerance: _Optional[_Union[Tolerance, _Mapping]] = ..., checker: _Optional[_Union[JudgeProgram, _Mapping]] = ..., interactor: _Optional[_Union[JudgeProgram, _Mapping]] = ..., scoring: _Optional[str] = ..., groups: _Optional[_Iterable[_Union[TestGroup, _Mapping]]] = ...) -> None: ...

class Tolerance(_message.Message):
    __slots__ = ("absolute", "relative")
    ABSOLUTE_FIELD_NUMBER: _ClassVar[int]
    RELATIVE_FIELD_NUMBER: _ClassVar[int]
    absolute: float
    relative: float
    def __init__(self, absolute: _Optional[float] = ..., relative: _Optional[float] = ...) -> None: ...

class JudgeProgram(_message.Message):
    __slots__ = ("language", "source", "files", "protocol", "args")
    LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    FILES_FIELD_NUMBER: _ClassVar[int]
    PROTOCOL_FIELD_NUMBER: _ClassVar[int]
    ARGS_FIELD_NUMBER: _ClassVar[int]
    language: str
    source: str
    files: _containers.RepeatedCompositeFieldContainer[SourceFile]
    protocol: str
    args: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, language: _Optional[str] = ..., source: _Optional[str] = ..., files: _Optional[_Iterable[_Union[SourceFile, _Mapping]]] = ..., protocol: _Optional[str] = ..., args: _Optional[_Iterable[str]] = ...) -> None: ...

class SourceFile(_message.Message):
    __slots__ = ("name", "text")
    NAME_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    name: str
    text: str
    def __init__(self, name: _Optional[str] = ..., text: _Optional[str] = ...) -> None: ...

class TestGroup(_message.Message):
    __slots__ = ("name", "points")
    NAME_FIELD_NUMBER: _ClassVar[int]
    POINTS_FIELD_NUMBER: _ClassVar[int]
    name: str
    points: float
    def __init__(self, name: _Optional[str] = ..., points: _Optional[float] = ...) -> None: ...

class StdioTest(_message.Message):
    __slots__ = ("input", "output", "accepted", "group")
    INPUT_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_FIELD_NUMBER: _ClassVar[int]
    ACCEPTED_FIELD_NUMBER: _ClassVar[int]
    GROUP_FIELD_NUMBER: _ClassVar[int]
    input: str
    output: str
    accepted: _containers.RepeatedScalarFieldContainer[str]
    group: str
    def __init__(self, input: _Optional[str] = ..., output: _Optional[str] = ..., accepted: _Optional[_Iterable[str]] = ..., group: _Optional[str] = ...) -> None: ...

class CallTest(_message.Message):
    __slots__ = ("args", "kwargs", "expected", "group")
    ARGS_FIELD_NUMBER: _ClassVar[int]
    KWARGS_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_FIELD_NUMBER: _ClassVar[int]
    GROUP_FIELD_NUMBER: _ClassVar[int]
    args: str
    kwargs: str
    expected: str
    group: str
    def __init__(self, args: _Optional[str] = ..., kwargs: _Optional[str] = ..., expected: _Optional[str] = ..., group: _Optional[str] = ...) -> None: ...

class GroupResult(_message.Message):
    __slots__ = ("id", "scores")
    ID_FIELD_NUMBER: _ClassVar[int]
    SCORES_FIELD_NUMBER: _ClassVar[int]
    id: str
    scores: _containers.RepeatedCompositeFieldContainer[ScoredCompletion]
    def __init__(self, id: _Optional[str] = ..., scores: _Optional[_Iterable[_Union[ScoredCompletion, _Mapping]]] = ...) -> None: ...

class ScoredCompletion(_message.Message):
    __slots__ = ("reward", "verdicts")
    REWARD_FIELD_NUMBER: _ClassVar[int]
    VERDICTS_FIELD_NUMBER: _ClassVar[int]
    reward: float
    verdicts: _containers.RepeatedCompositeFieldContainer[Verdict]
    def __init__(self, reward: _Optional[float] = ..., verdicts: _Optional[_Iterable[_Union[Verdict, _Mapping]]] = ...) -> None: ...

class Verdict(_message.Message):
    __slots__ = ("verifier", "outcome", "score", "reason", "detail", "tests")
    VERIFIER_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    TESTS_FIELD_NUMBER: _ClassVar[int]
    verifier: str
    outcome: str
    score: float
    reason: str
    detail: str
    tests: _containers.RepeatedCompositeFieldContainer[TestResult]
    def __init__(self, verifier: _Optional[str] = ..., outcome: _Optional[str] = ..., score: _Optional[float] = ..., reason: _Optional[str] = ..., detail: _Optional[str] = ..., tests: _Optional[_Iterable[_Union[TestResult, _Mapping]]] = ...) -> None: ...

class TestResult(_message.Message):
    __slots__ = ("name", "status", "detail")
    NAME_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    name: str
    status: str
    detail: str
    def __init__(self, name: _Optional[str] = ..., status: _Optional[str] = ..., detail: _Optional[str] = ...) -> None: ...
