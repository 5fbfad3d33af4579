"""Whether a completion keeps to its tag template: the format reward of DeepSeek-R1.

Options:
    template: ``think`` (default), ``think-answer`` or ``reflection``; see ``verifier.text.tags.TEMPLATES``.
    tags: instead of ``template``, tag names in order, such as ``["thinking", "output"]``. One tag is followed by the
        answer; of several the last holds it, with nothing but whitespace around and between.
    opened: whether the prompt already wrote the first opening tag: true, false, or ``"auto"`` (default), which looks
        at the end of the group's prompt.
"""

from __future__ import annotations

from dataclasses import dataclass

from verifier.errors import InvalidRequestError, UnknownNameError
from verifier.text.tags import TEMPLATES, Template, check, prompt_opens, template_of_tags
from verifier.types import Group, Verdict
from verifier.verifiers.base import InstantJudge, Options, Tools

NAME = "format"
OPTIONS = ("template", "tags", "opened")


@dataclass(frozen=True, slots=True, kw_only=True)
class FormatVerifier:
    """Judges by one template.

    Args:
        template: what a completion must keep to.
        is_opened: whether the prompt wrote the first tag; None looks at the prompt.
    """

    template: Template
    is_opened: bool | None = None

    async def open_group(self, group: Group) -> InstantJudge:
        """A judge of the group's completions; never fails."""
        return self.open_at_once(group)

    def open_at_once(self, group: Group) -> InstantJudge:
        """The same."""
        is_opened = prompt_opens(self.template, group.prompt) if self.is_opened is None else self.is_opened
        return _FormatJudge(template=self.template, is_opened=is_opened)


@dataclass(frozen=True, slots=True, kw_only=True)
class _FormatJudge:
    template: Template
    is_opened: bool

    async def verify(self, completion: str) -> Verdict:
        return self.at_once(completion)

    def at_once(self, completion: str) -> Verdict:
        finding = check(completion, self.template, is_opened=self.is_opened)
        if finding.is_well_formed:
            return Verdict.correct(NAME, finding.reason)
        return Verdict.incorrect(NAME, finding.reason, finding.detail)


def format_verifier(options: Options, tools: Tools) -> FormatVerifier:  # noqa: ARG001 - needs no tools
    """Makes the verifier.

    Raises:
        UnknownNameError: an option or template that does not exist.
        InvalidRequestError: an option with a value it cannot take.
    """
    for option in options:
        if option not in OPTIONS:
            raise UnknownNameError("option", option, OPTIONS)
    return FormatVerifier(template=_template(options), is_opened=_opened(options.get("opened", "auto")))


def _template(options: Options) -> Template:
    name = options.get("template", "think")
    if "tags" in options:
        if "template" in options:
            raise InvalidRequestError("format: options template and tags exclude each other; give one")
        return _user_template(options["tags"])
    if not isinstance(name, str):
        raise InvalidRequestError(f"format: option template must be a name, not {name!r}")
    if name not in TEMPLATES:
        raise UnknownNameError("template", name, tuple(TEMPLATES))
    return TEMPLATES[name]


def _user_template(value: object) -> Template:
    names = tuple(value) if isinstance(value, list | tuple) else ()
    texts = tuple(name for name in names if isinstance(name, str))
    if not names or len(texts) != len(names):
        raise InvalidRequestError(f'format: option tags must be a list of names such as ["think"], not {value!r}')
    try:
        return template_of_tags(texts)
    except ValueError as error:
        raise InvalidRequestError(f"format: option tags: {error}") from error


def _opened(value: object) -> bool | None:
    if value == "auto":
        return None
    if isinstance(value, bool):
        return value
    raise InvalidRequestError(f'format: option opened must be true, false or "auto", not {value!r}')
