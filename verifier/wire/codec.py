"""Protobuf messages to plain types and back; no message passes this module.

Enums cross by name. What the wire cannot say is repaired on the way out (see ``unicode``), what the types cannot
say is refused on the way in.
"""

from __future__ import annotations

from verifier.errors import InfrastructureError, InvalidRequestError
from verifier.types import (
    CallTest,
    CodeReference,
    Comparison,
    EngineInfo,
    Framework,
    Group,
    GroupResult,
    JudgeProgram,
    MathReference,
    Outcome,
    Protocol,
    Reference,
    Scored,
    Scoring,
    SourceFile,
    StdioTest,
    TestGroup,
    TestResult,
    TestStatus,
    Tolerance,
    Verdict,
)
from verifier.wire._generated import verifier_pb2 as pb
from verifier.wire.unicode import well_formed, well_formed_group


def group_to_proto(group: Group) -> pb.Group:
    """The message of a group.

    Raises:
        InvalidRequestError: a number that the wire cannot carry.
    """
    group = well_formed_group(group)
    return pb.Group(
        id=group.id,
        prompt=group.prompt,
        completions=group.completions,
        reference=None if group.reference is None else reference_to_proto(group.reference),
        language=group.language,
        recipe=group.recipe,
    )


def group_from_proto(message: pb.Group) -> Group:
    """The group of a message."""
    return Group(
        id=message.id,
        prompt=message.prompt,
        completions=tuple(message.completions),
        reference=reference_from_proto(message.reference) if message.HasField("reference") else None,
        language=message.language,
        recipe=message.recipe,
    )


def reference_to_proto(reference: Reference) -> pb.Reference:
    """The message of a reference.

    Raises:
        InvalidRequestError: a number that the wire cannot carry.
    """
    match reference:
        case MathReference():
            return pb.Reference(math=pb.MathReference(answers=reference.answers))
        case CodeReference():
            return pb.Reference(code=_code_to_proto(reference))


def _code_to_proto(reference: CodeReference) -> pb.CodeReference:
    memory_bytes = reference.memory_limit_bytes
    if memory_bytes is not None and not -(1 << 63) <= memory_bytes < 1 << 63:
        raise InvalidRequestError(f"reference.code.memory_limit_bytes: {memory_bytes} does not fit in 64 bits")
    return pb.CodeReference(
        language=reference.language,
        stdio=[
            pb.StdioTest(input=test.input, output=test.output, accepted=test.accepted, group=test.group)
            for test in reference.stdio
        ],
        calls=[
            pb.CallTest(args=test.args, kwargs=test.kwargs, expected=test.expected, group=test.group)
            for test in reference.calls
        ],
        script=reference.script,
        framework=reference.framework,
        entry_point=reference.entry_point,
        time_limit_s=reference.time_limit_s,
        memory_limit_bytes=memory_bytes,
        prelude=reference.prelude,
        signature=reference.signature,
        in_place=reference.in_place,
        comparison=reference.comparison,
        tolerance=_tolerance_to_proto(reference.tolerance),
        checker=_judge_program_to_proto(reference.checker),
        interactor=_judge_program_to_proto(reference.interactor),
        scoring=reference.scoring,
        groups=[pb.TestGroup(name=group.name, points=group.points) for group in reference.groups],
    )


def _tolerance_to_proto(tolerance: Tolerance | None) -> pb.Tolerance | None:
    if tolerance is None:
        return None
    return pb.Tolerance(absolute=tolerance.absolute, relative=tolerance.relative)


def _judge_program_to_proto(program: JudgeProgram | None) -> pb.JudgeProgram | None:
    if program is None:
        return None
    return pb.JudgeProgram(
        language=program.language,
        source=program.source,
        files=[pb.SourceFile(name=file.name, text=file.text) for file in program.files],
        protocol=program.protocol,
        args=program.args,
    )


def reference_from_proto(message: pb.Reference) -> Reference | None:
    """The reference of a message; None where no kind is set, or one that this version does not know."""
    if message.HasField("math"):
        return MathReference(answers=tuple(message.math.answers))
    if message.HasField("code"):
        return _code_from_proto(message.code)
    return None


def _code_from_proto(code: pb.CodeReference) -> CodeReference:
    return CodeReference(
        language=code.language,
        stdio=tuple(
            StdioTest(input=test.input, output=test.output, accepted=tuple(test.accepted), group=test.group)
            for test in code.stdio
        ),
        calls=tuple(
            CallTest(args=test.args, kwargs=test.kwargs, expected=test.expected, group=test.group)
            for test in code.calls
        ),
        script=code.script,
        framework=code.framework or Framework.PLAIN.value,
        entry_point=code.entry_point,
        time_limit_s=code.time_limit_s if code.HasField("time_limit_s") else None,
        memory_limit_bytes=code.memory_limit_bytes if code.HasField("memory_limit_bytes") else None,
        prelude=code.prelude,
        signature=code.signature,
        in_place=code.in_place,
        comparison=code.comparison or Comparison.TOKENS.value,
        tolerance=_tolerance_from_proto(code.tolerance) if code.HasField("tolerance") else None,
        checker=_judge_program_from_proto(code.checker) if code.HasField("checker") else None,
        interactor=_judge_program_from_proto(code.interactor) if code.HasField("interactor") else None,
        scoring=code.scoring or Scoring.ALL.value,
        groups=tuple(TestGroup(name=group.name, points=group.points) for group in code.groups),
    )


def _tolerance_from_proto(tolerance: pb.Tolerance) -> Tolerance:
    return Tolerance(absolute=tolerance.absolute, relative=tolerance.relative)


def _judge_program_from_proto(program: pb.JudgeProgram) -> JudgeProgram:
    return JudgeProgram(
        language=program.language,
        source=program.source,
        files=tuple(SourceFile(name=file.name, text=file.text) for file in program.files),
        protocol=program.protocol or Protocol.TESTLIB.value,
        args=tuple(program.args),
    )


def result_to_proto(result: GroupResult) -> pb.GroupResult:
    """The message of a group's answer."""
    return pb.GroupResult(id=well_formed(result.id), scores=[_scored_to_proto(scored) for scored in result.scores])


def result_from_proto(message: pb.GroupResult) -> GroupResult:
    """The answer of a message.

    Raises:
        InfrastructureError: an outcome or status that this version does not know, or a score that does not fit.
    """
    return GroupResult(id=message.id, scores=tuple(_scored_from_proto(scored) for scored in message.scores))


def _scored_to_proto(scored: Scored) -> pb.ScoredCompletion:
    return pb.ScoredCompletion(
        reward=scored.reward, verdicts=[_verdict_to_proto(verdict) for verdict in scored.verdicts]
    )


def _scored_from_proto(message: pb.ScoredCompletion) -> Scored:
    return Scored(
        reward=message.reward if message.HasField("reward") else None,
        verdicts=tuple(_verdict_from_proto(verdict) for verdict in message.verdicts),
    )


def _verdict_to_proto(verdict: Verdict) -> pb.Verdict:
    return pb.Verdict(
        verifier=verdict.verifier,
        outcome=verdict.outcome.name,
        score=verdict.score,
        reason=well_formed(verdict.reason),
        detail=well_formed(verdict.detail),
        tests=[
            pb.TestResult(name=well_formed(test.name), status=test.status.name, detail=well_formed(test.detail))
            for test in verdict.tests
        ],
    )


def _verdict_from_proto(message: pb.Verdict) -> Verdict:
    try:
        return Verdict(
            verifier=message.verifier,
            outcome=Outcome[message.outcome],
            score=message.score if message.HasField("score") else None,
            reason=message.reason,
            detail=message.detail,
            tests=tuple(
                TestResult(name=test.name, status=TestStatus[test.status], detail=test.detail) for test in message.tests
            ),
        )
    except (KeyError, ValueError) as error:
        raise InfrastructureError("answer_unreadable", f"{error}; are client and server of one version?") from error


def info_to_proto(info: EngineInfo) -> pb.GetInfoResponse:
    """The message of what an engine is made of."""
    return pb.GetInfoResponse(
        version=info.version,
        verifiers=info.verifiers,
        recipes=info.recipes,
        sandboxes=info.sandboxes,
        config_hash=info.config_hash,
        default_recipe=info.default_recipe,
    )


def info_from_proto(message: pb.GetInfoResponse) -> EngineInfo:
    """What an engine is made of, of a message."""
    return EngineInfo(
        version=message.version,
        verifiers=tuple(message.verifiers),
        recipes=tuple(message.recipes),
        sandboxes=tuple(message.sandboxes),
        config_hash=message.config_hash,
        default_recipe=message.default_recipe,
    )
