"""Text that any wire can carry.

Python text and JSON text can hold lone surrogates (half of a UTF-16 pair); UTF-8 and so protobuf cannot. Each is
replaced by U+FFFD before anything is judged, in process as over gRPC, so both give the same verdicts.
"""

from __future__ import annotations

from dataclasses import replace

from verifier.types import (
    CallTest,
    CodeReference,
    Group,
    JudgeProgram,
    MathReference,
    Reference,
    SourceFile,
    StdioTest,
    TestGroup,
)

_MOST_BYTES = 4
"""Of a code point."""


def well_formed(text: str) -> str:
    """The text with each lone surrogate replaced by U+FFFD; two halves that stand together are joined."""
    if _is_well_formed(text):
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _is_well_formed(text: str) -> bool:
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def size_bytes(text: str) -> int:
    """Length of a well-formed text in UTF-8."""
    return len(text) if text.isascii() else len(text.encode())


def is_longer(text: str, limit: int) -> bool:
    """Whether a well-formed text takes more bytes of UTF-8 than a limit; a short one is not encoded to tell."""
    return len(text) * _MOST_BYTES > limit and size_bytes(text) > limit


def well_formed_group(group: Group) -> Group:
    """The group with every text in it well formed; the same object where nothing needs a change."""
    texts = (group.id, group.prompt, group.language, group.recipe, *group.completions)
    if isinstance(group.reference, MathReference) and all(map(_is_well_formed, (*texts, *group.reference.answers))):
        return group  # most are, and to copy a group costs as much as to judge a short answer
    repaired = replace(
        group,
        id=well_formed(group.id),
        prompt=well_formed(group.prompt),
        completions=_texts(group.completions),
        reference=_well_formed_reference(group.reference),
        language=well_formed(group.language),
        recipe=well_formed(group.recipe),
    )
    return group if repaired == group else repaired


def _well_formed_reference(reference: Reference | None) -> Reference | None:
    match reference:
        case None:
            return None
        case MathReference():
            return MathReference(answers=_texts(reference.answers))
        case CodeReference():
            return _well_formed_code(reference)


def _well_formed_code(reference: CodeReference) -> CodeReference:
    return replace(
        reference,
        language=well_formed(reference.language),
        script=well_formed(reference.script),
        framework=well_formed(reference.framework),
        entry_point=well_formed(reference.entry_point),
        prelude=well_formed(reference.prelude),
        signature=well_formed(reference.signature),
        comparison=well_formed(reference.comparison),
        scoring=well_formed(reference.scoring),
        stdio=tuple(
            StdioTest(
                input=well_formed(test.input),
                output=well_formed(test.output),
                accepted=_texts(test.accepted),
                group=well_formed(test.group),
            )
            for test in reference.stdio
        ),
        calls=tuple(
            CallTest(
                args=well_formed(test.args),
                kwargs=well_formed(test.kwargs),
                expected=well_formed(test.expected),
                group=well_formed(test.group),
            )
            for test in reference.calls
        ),
        checker=_well_formed_program(reference.checker),
        interactor=_well_formed_program(reference.interactor),
        groups=tuple(TestGroup(name=well_formed(group.name), points=group.points) for group in reference.groups),
    )


def _well_formed_program(program: JudgeProgram | None) -> JudgeProgram | None:
    if program is None:
        return None
    return JudgeProgram(
        language=well_formed(program.language),
        source=well_formed(program.source),
        files=tuple(SourceFile(name=well_formed(file.name), text=well_formed(file.text)) for file in program.files),
        protocol=well_formed(program.protocol),
        args=_texts(program.args),
    )


def _texts(texts: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(well_formed(text) for text in texts)
