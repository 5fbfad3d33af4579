"""A first recipe for files that nobody has described: what is found in them stands beside each setting it leads to.

No time, machine or chance goes into it, so the same files give the same recipe; but for the verdicts, which need a
sandbox where programs are to be judged.
"""

from __future__ import annotations

import asyncio
import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import polars as pl

from curation.columns import ROLES, RowFormat, fitting_columns
from curation.errors import EngineStoppedError, InputError, ShardError
from curation.executors.judging import Bounds, Mask
from curation.executors.tasks import Bench, annotate, judge
from curation.plan import FileGroup
from curation.plan_text import size_told
from curation.planning import EngineOpener, SandboxCheck, file_groups, open_engine_of, sandbox_trouble
from curation.presets import preset
from curation.recipe import Option, Recipe, parse_recipe
from curation.sampling import FileSurvey, Sample, draw_sample, laid_out, scattered_places, survey_files
from curation.schemas import TURN_REASONING
from curation.sources import find_sources
from curation.steps import find_steps
from curation.steps.base import TextStep, domain_head, domain_name, step_from_options
from curation.steps.language_mix import CJK, CJK_PROMPT_PERCENT
from curation.steps.normalise import Normalise
from curation.steps.quota import Quota
from curation.steps.verify import Verify
from curation.trial import reference_kinds
from verifier.errors import InfrastructureError
from verifier.formats import FORMATS
from verifier.settings import load_settings

_OF_SERVERS = tuple(f"{holder}choices.message.content" for holder in ("", "response.", "response.body."))
LIKELY: Mapping[str, tuple[str, ...]] = {
    "prompt": (
        "instruction",
        "query",
        "input",
        "problem_statement",
        "user",
        "text",
        "turns",
        "request.messages",
        "body.messages",
    ),
    "completions": (
        *("generation", "output", "outputs", "samples", "model_output", "model_response", "solutions", "answers"),
        *("rollouts", "predictions", "candidates", "reply", "assistant", "llm_response", "generated_solution"),
        *("generated_text", "generated_response", "outputs.text", "completions.text", *_OF_SERVERS),
    ),
}
"""Part -> names that mostly mean it, but not so surely that they are taken without asking."""
_LIKELY_ANSWERS = (
    *("expected_answer", "reference_answer", "gold_answer", "golden_answer", "correct_answer", "gold", "gt", "gts"),
    *("reward_model.ground_truth", "verification_info.ground_truth"),
)
_LIKELY_REASONING = (
    *("reasoning", "thinking", "thoughts", "thought", "reasoning_trace", "thinking_trajectory", "chain_of_thought"),
    "cot",
)
_LEAST_REASONING_CHARS = 40
"""Shorter values are mostly settings, such as on and off."""

_OUTPUT = "curated"
_SHOWN = 8
_MAX_CHARS = 131_072
_PERCENT = 100
_THINK_PERCENT = 50
_MANY_PERCENT = 30
_JSON_LIST = r'(?s)\A\s*\[\s*(?:"|\{\s*").*["}]\s*\]\s*\z'
_MOSTLY_PERCENT = 80
_NEEDS_THINK: Mapping[str, str] = {
    "format": "asks for <think>reasoning</think> answer",
    "long_paragraph": "would measure answers in the place of reasoning",
    "code_in_reasoning": "looks at what stands in think tags",
}
_AFTER_VERIFY = ("pass_rate",)


@dataclass(frozen=True, slots=True, kw_only=True)
class StartRequest:
    """What is asked for.

    Args:
        globs: of the files.
        preset: whose steps are taken; empty for those of this module.
        completions: of the sample.
        judged: of those, how many are judged at most.
        sandbox: where programs run.
        server: that judges.
    """

    globs: tuple[str, ...]
    preset: str = ""
    completions: int = 200
    judged: int = 50
    sandbox: str | None = None
    server: str | None = None


@dataclass(slots=True, kw_only=True)
class Started:
    """A recipe.

    Args:
        text: of it, TOML.
        remarks: for the user, beside the recipe.
        is_whole: whether it runs as it is, and not only when columns are filled in.
    """

    text: str
    remarks: list[str] = field(default_factory=list)
    is_whole: bool = True


@dataclass(slots=True, kw_only=True)
class _Entry:
    """A step on its way into the recipe; one with a reason to be left out is written as a comment."""

    name: str
    options: dict[str, Option] = field(default_factory=dict)
    comments: list[str] = field(default_factory=list)
    left_out: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Look:
    """What is found in the sample.

    Args:
        sample: that was drawn.
        samples: those that could be read, with ``reference`` and ``name``, the domain as it is compared.
        thoughts: how many hold a closing think tag.
    """

    sample: Sample
    samples: pl.DataFrame
    thoughts: int

    @property
    def remarks(self) -> list[str]:
        """What would make all that comes of it worthless."""
        total = self.samples.height
        found = {
            f"of {total} completions are their own reference, word for word, so that to verify them tells nothing; if "
            f"they are not a model's, map the column that is under [input.columns]": self.samples.filter(
                pl.col("answers").list.contains(pl.col("completion"))
            ).height,
            **{
                f"of {total} {part}s are JSON lists in a text, and are taken as they stand; make real lists of them "
                f"before": int(self.samples[part].str.contains(_JSON_LIST).sum())
                for part in ("prompt", "completion")
            },
        }
        return [
            f"{count} {told}" for told, count in found.items() if count and _PERCENT * count >= _MOSTLY_PERCENT * total
        ]

    @property
    def unopened(self) -> int:
        """How many close a think tag that neither they nor the prompt open."""
        opens = pl.col("completion").str.contains("<think>", literal=True)
        closes = pl.col("completion").str.contains("</think>", literal=True)
        return self.samples.filter(closes & ~opens & ~pl.col("prompt").str.contains(r"<think>\s*\z")).height

    @property
    def has_thoughts(self) -> bool:
        return _PERCENT * self.thoughts >= _THINK_PERCENT * max(1, self.samples.height)


def start_recipe(
    request: StartRequest, *, open_engine: EngineOpener = open_engine_of, sandbox_check: SandboxCheck = sandbox_trouble
) -> Started:
    """Looks at the files and writes a recipe.

    Raises:
        UsageError: a glob that matches nothing, an unknown preset, or no file that can be read.
    """
    wanted = _wanted(request.preset)
    started = Started(text="")
    sources = find_sources(request.globs)
    recipe = Recipe(globs=request.globs)
    surveys = survey_files(sources, recipe)
    readable = [survey for survey in surveys if survey.schema is not None]
    started.remarks += [survey.error for survey in surveys if survey.schema is None]
    if not readable:
        raise InputError("; ".join(started.remarks))
    started.remarks += [survey.trouble for survey in readable if survey.trouble]
    started.is_whole = not any(survey.trouble for survey in readable)
    recipe, surveys = _with_columns(recipe, readable)
    good = [survey for survey in surveys if not survey.error]
    if len(good) < len(surveys):
        started.is_whole = False
        started.remarks += [survey.error for survey in surveys if survey.error]
        head = _input_lines(recipe, surveys)
        started.text = _joined([*head, "", *_output_lines(), *_step_lines(wanted.steps), *_verify_lines(wanted, [])])
        return started
    try:
        recipe, surveys, look = _looked(recipe, surveys, request.completions)
    except ShardError as error:
        raise InputError(f"a file is damaged: {error}; mend or remove it") from error
    started.remarks += look.remarks
    _fit(wanted, look)
    _tell_drops(wanted, look)
    verdicts = asyncio.run(_verdict_lines(request, wanted, recipe, look, open_engine, sandbox_check))
    started.text = _joined(
        [
            *_input_lines(recipe, surveys),
            *_sample_lines(look),
            "",
            *_output_lines(),
            *_step_lines(wanted.steps),
            *_verify_lines(wanted, verdicts),
        ]
    )
    return started


def _looked(recipe: Recipe, surveys: list[FileSurvey], completions: int) -> tuple[Recipe, list[FileSurvey], _Look]:
    """What is found in a sample; where no completion has think tags, with the column that holds the reasoning."""

    def looked(recipe: Recipe, surveys: list[FileSurvey]) -> _Look:
        return _look(draw_sample(surveys, recipe, (Normalise(),), completions=completions, by_prompt=False))

    look = looked(recipe, surveys)
    holder, _, inner = recipe.columns.get("completions", "").rpartition(".")
    beside = [f"{holder}.{name}" for name in TURN_REASONING] if holder and inner == "content" else []
    if look.thoughts or (column := _guessed("reasoning", (*beside, *_LIKELY_REASONING), surveys)) is None:
        return recipe, surveys, look
    mapped = replace(recipe, columns={**recipe.columns, "reasoning": column})
    found = [laid_out(survey, mapped) for survey in surveys]
    if any(survey.error for survey in found):
        return recipe, surveys, look
    with_reasoning = looked(mapped, found)
    is_long = with_reasoning.samples["completion"].str.find("</think>", literal=True) > _LEAST_REASONING_CHARS
    if _PERCENT * int(is_long.sum()) < _THINK_PERCENT * max(1, len(is_long)):
        return recipe, surveys, look
    return mapped, found, with_reasoning


def _guessed(part: str, likely: Sequence[str], surveys: Sequence[FileSurvey]) -> str | None:
    """The column of all files that is likely to play a part which none plays; None where there is none."""
    layouts = [survey.layout for survey in surveys]
    if any(layout is None or part in {*layout.columns, *layout.made} for layout in layouts):
        return None
    fitting = [fitting_columns(part, survey.schema) for survey in surveys if survey.schema is not None and survey.rows]
    shared = [name for name in fitting[0] if all(name in names for names in fitting)] if fitting else []
    # What has a known name and is not taken is known to be something else.
    return _likely(part, likely, [name for name in shared if name not in ROLES[part]])


def _likely(part: str, likely: Sequence[str], names: Sequence[str]) -> str | None:
    """The first of the names that is likely to be the part, however it writes capitals and joins words."""
    plain = {_plain(name): name for name in reversed(names)}
    return next((plain[one] for one in map(_plain, (*ROLES[part], *likely)) if one in plain), None)


def _plain(name: str) -> str:
    return "".join(sign for sign in name.casefold() if sign.isalnum())


@dataclass(slots=True, kw_only=True)
class _Wanted:
    steps: list[_Entry]
    verify: dict[str, Option]
    why_verify: list[str] = field(default_factory=list)

    def entry(self, name: str) -> _Entry | None:
        return next((entry for entry in self.steps if entry.name == name), None)

    @property
    def verifies(self) -> bool:
        entry = self.entry("verify")
        return entry is not None and not entry.left_out


def _wanted(name: str) -> _Wanted:
    if name:
        recipe = parse_recipe(preset(name), name=name)
        steps = [_Entry(name=spec.name, options=dict(spec.options)) for spec in recipe.steps]
        return _Wanted(steps=steps, verify=dict(recipe.verify.options))
    names = (
        *("normalise", "validate", "length", "format", "language_mix", "long_paragraph", "code_in_reasoning"),
        *("truncated", "refusal", "repetition", "dedup", "verify"),
    )
    return _Wanted(steps=[_Entry(name=name) for name in names], verify={"recipe": "accuracy", "keep": "correct"})


def _with_columns(recipe: Recipe, readable: Sequence[FileSurvey]) -> tuple[Recipe, list[FileSurvey]]:
    """The recipe with the columns or the format that the files need, and the files read by it."""
    bad = [survey for survey in readable if survey.error]
    if bad and bad[0].schema is not None:
        names = bad[0].schema.names
        mapping: dict[str, str] = {}
        for part, likely in LIKELY.items():
            column = _likely(part, likely, fitting_columns(part, bad[0].schema))
            told = bad[0].error + _other_error(bad[0], mapping)
            if column is not None and (f"column for the {part}" in told or f"cannot be the {part}:" in told):
                mapping[part] = column
        mapped = replace(recipe, columns=mapping)
        found = [laid_out(survey, mapped) for survey in readable]
        if mapping and not any(survey.error for survey in found):
            recipe = mapped
        elif not names:
            return recipe, list(readable)
    surveys = [laid_out(survey, recipe) for survey in readable]
    if not any(survey.error for survey in surveys) and (name := _format_of(surveys)):
        formatted = replace(recipe, rows=RowFormat(name=name, fields={}))
        found = [laid_out(survey, formatted) for survey in readable]
        if not any(survey.error for survey in found):
            return formatted, found
    if _has_no_reference(surveys) and (answer := _guessed("answer", _LIKELY_ANSWERS, surveys)) is not None:
        mapped = replace(recipe, columns={**recipe.columns, "answer": answer})
        return mapped, [laid_out(survey, mapped) for survey in readable]
    return recipe, surveys


def _has_no_reference(surveys: Sequence[FileSurvey]) -> bool:
    layouts = [survey.layout for survey in surveys if survey.layout is not None]
    return len(layouts) == len(surveys) and not any(
        layout.rows is not None or {"answer", "tests"} & {*layout.columns, *layout.made} for layout in layouts
    )


def _other_error(survey: FileSurvey, mapping: Mapping[str, str]) -> str:
    """What is missing when the parts that were found are mapped."""
    return laid_out(survey, Recipe(columns=dict(mapping))).error


def _format_of(surveys: Sequence[FileSurvey]) -> str:
    """The format of which most columns are there, where no column is tests or an answer to math; empty for none."""
    first = surveys[0]
    if first.schema is None or first.layout is None or first.layout.rows is not None:
        return ""
    if "answer" in first.layout.made or "tests" in {*first.layout.columns, *first.layout.made}:
        return ""
    names = set(first.schema.names)
    # A dataset's own solutions have the name of an answer.
    answer = {first.layout.columns["answer"]} if "answer" in first.layout.columns else set()
    fitting = {
        name: len(names.intersection(dataset.columns))
        for name, dataset in FORMATS.items()
        if dataset.needed and names.issuperset(dataset.needed) and answer.issubset(dataset.columns)
    }
    return max(fitting, key=lambda name: fitting[name], default="")


def _look(sample: Sample) -> _Look:
    samples = sample.samples.filter(pl.col("trouble").is_null())
    samples = samples.with_columns(reference_kinds(samples), name=domain_name(pl.col("domain")))
    thoughts = int(samples["completion"].str.contains("</think>", literal=True).sum())
    return _Look(sample=sample, samples=samples, thoughts=thoughts)


def _fit(wanted: _Wanted, look: _Look) -> None:
    """Fits the steps to what is found."""
    total = look.samples.height
    for entry in wanted.steps:
        if entry.name in _NEEDS_THINK and not look.has_thoughts:
            entry.left_out = f"{_NEEDS_THINK[entry.name]}; {look.thoughts} of {total} completions have think tags"
        elif entry.name == "format" and _PERCENT * look.unopened >= _MOSTLY_PERCENT * max(1, total):
            entry.left_out = (
                f"{look.unopened} of {total} completions close a think tag that they do not open, as where a template "
                f"opens it at the end of the prompt; write it before them to have them checked"
            )
    _fit_length(wanted, look)
    _fit_quality(wanted, look)
    _fit_verify(wanted, look)
    names = set(look.samples["name"])
    if (bound := wanted.entry("quota")) is not None:
        quotas = step_from_options(Quota, bound.options, where="quota").quotas()
        heads = set(look.samples.select(domain_head(pl.col("name"))).to_series())
        if not (names | heads) & set(quotas):
            told = ", ".join(repr(name) for name in sorted(names))
            bound.left_out = f"its domains are {', '.join(quotas)}, and the files have {told or 'none'}"
    elif len(names) > 1:
        domains = ", ".join(f"{name} = 1000" for name in sorted(names) if name)
        wanted.steps.append(
            _Entry(name="quota", options={"domains": domains}, left_out="it would bound the samples of each domain")
        )


def _fit_length(wanted: _Wanted, look: _Look) -> None:
    entry = wanted.entry("length")
    if entry is None:
        return
    chars = look.samples["completion"].str.len_chars().sort()
    if len(chars):
        middle, high = (int(chars[min(len(chars) - 1, len(chars) * part // 100)]) for part in (50, 95))
        entry.comments.append(
            f"characters of completions: {chars[0]:,} at least, {middle:,} half of them, {high:,} 95 % of them, "
            f"{chars[-1]:,} at most"
        )
    if entry.options.setdefault("max_chars", _MAX_CHARS) == _MAX_CHARS:
        entry.comments.append(f"{_MAX_CHARS:,} are 32,768 tokens of four characters")


def _fit_quality(wanted: _Wanted, look: _Look) -> None:
    scores = look.samples["score"].fill_nan(None).drop_nulls().sort()
    if not len(scores) or wanted.entry("quality") is not None:
        return
    low, middle, high = scores[0], scores[len(scores) // 2], scores[-1]
    missing = look.samples.height - len(scores)
    entry = _Entry(name="quality", options={"min_score": math.floor(low * 100) / 100})
    entry.comments.append(f"scores of the sample: {low:g} to {high:g}, half of them below {middle:g}; raise the bound")
    if missing:
        entry.options["needs_score"] = False
        entry.comments.append(f"{missing} have no score")
    names = [one.name for one in wanted.steps]
    wanted.steps.insert(names.index("length") + 1 if "length" in names else len(names), entry)


def _fit_verify(wanted: _Wanted, look: _Look) -> None:
    verify = wanted.entry("verify")
    if verify is None:
        return
    has_reference = pl.col("reference") != "none"
    counted = look.samples.group_by("name").agg(pl.len(), has_reference.sum().alias("held")).sort("name")
    held, bare = (counted.filter((pl.col("held") > 0) == wants)["name"].to_list() for wants in (True, False))
    validate = wanted.entry("validate")
    if bare and validate is not None and validate.options.pop("needs_reference", False):
        validate.comments.append(f"needs_reference is left out, as {_names(bare)} has no references")
    if not held:
        verify.left_out = "no row of the sample has an answer or tests, so there is nothing to judge by"
        for name in _AFTER_VERIFY:
            if (later := wanted.entry(name)) is not None:
                later.left_out = "needs verdicts"
        return
    if bare:
        why = f"no row of {_names(bare)} has an answer or tests: these are kept without a verdict"
        if all(map(_can_be_named, bare)):
            wanted.verify["skip"] = ", ".join(bare)
            wanted.why_verify.append(why)
        elif all(map(_can_be_named, held)):
            wanted.verify["only"] = ", ".join(held)
            wanted.why_verify.append(why)
    for name, count, some in counted.filter((pl.col("held") > 0) & (pl.col("held") < pl.col("len"))).iter_rows():
        told = f"{count - some} of {count} completions of {_names([name])} have no reference"
        wanted.why_verify.append(f"{told}, and are dropped as unscorable:no_reference")


def _can_be_named(domain: str) -> bool:
    return bool(domain) and "," not in domain


def _names(domains: Iterable[str]) -> str:
    return ", ".join(name or "the rows without a domain" for name in domains)


def _tell_drops(wanted: _Wanted, look: _Look) -> None:
    """Says beside each text step what it drops of the sample."""
    entries = [entry for entry in wanted.steps if not entry.left_out and entry.name != "verify"]
    text = "\n".join(_step_lines(entries))
    steps, _ = find_steps(parse_recipe(text)) if entries else ((), [])
    facts = annotate(look.sample, steps)
    texts = [step.name for step in steps if isinstance(step, TextStep)]
    for number, name in enumerate(texts):
        entry = wanted.entry(name)
        reasons = facts.filter(pl.col("text_step") == number)["text_reason"]
        if entry is None or not len(reasons):
            continue
        told = ", ".join(f"{reason} {count}" for reason, count in _most(reasons))
        many = " - look at them before you run" if _PERCENT * len(reasons) > _MANY_PERCENT * facts.height else ""
        entry.comments.append(f"drops {len(reasons)} of the sample's {facts.height}: {told}{many}")


def _most(values: pl.Series) -> list[tuple[str, int]]:
    return sorted(Counter(values.to_list()).items(), key=lambda item: (-item[1], item[0]))


async def _verdict_lines(  # noqa: PLR0917 - one call
    request: StartRequest,
    wanted: _Wanted,
    recipe: Recipe,
    look: _Look,
    open_engine: EngineOpener,
    sandbox_check: SandboxCheck,
) -> list[str]:
    """What becomes of a small sample; why there are no verdicts, where there are none."""
    if not wanted.verifies or not request.judged:
        return []
    settings = load_settings(server=request.server, sandbox=request.sandbox)
    kinds = ["math", "code"]
    lines = []
    has_code = bool((look.samples["reference"] == "code").any()) and not settings.server
    if has_code and (trouble := await sandbox_check(settings)):
        kinds.remove("code")
        lines.append(f"programs could not be judged here: {trouble}")
    mask = _to_judge(look, kinds, request.judged)
    if not mask.any():
        return lines
    try:
        async with open_engine(settings) as engine:
            bounds = Bounds(completions=recipe.verify.in_flight, bytes=recipe.verify.in_flight_bytes)
            bench = Bench(engine=engine, verify=Verify(), bounds=bounds, advance=lambda _: None)
            found = await judge(look.sample, bench, mask)
    except (InfrastructureError, EngineStoppedError) as error:
        return [*lines, f"nothing was judged: {error}"]
    judged = found.filter(pl.Series(mask))
    right = int(judged["verify_reason"].is_null().sum())
    others = judged["verify_reason"].drop_nulls()
    told = ", ".join(f"{reason} {count}" for reason, count in _most(others))
    lines.append(f"of {judged.height} that were judged {right} are right" + (f"; {told}" if told else ""))
    return lines


def _to_judge(look: _Look, kinds: Sequence[str], most: int) -> Mask:
    """At most so many, spread over the sample."""
    marked = look.sample.samples.select(is_read=pl.col("trouble").is_null()).with_row_index("place")
    marked = marked.filter("is_read").with_columns(look.samples["reference"])
    places = marked.filter(pl.col("reference").is_in(list(kinds)))["place"].to_numpy()
    count = min(most, len(places))
    mask = np.zeros(look.sample.samples.height, np.bool_)
    if count:
        mask[places[scattered_places(count, len(places))]] = True
    return mask


def _input_lines(recipe: Recipe, surveys: Sequence[FileSurvey]) -> list[str]:
    lines = ["# Written by `curate init` from what it found; change what you know better."]
    for group in file_groups(surveys):
        lines += ["#"]
        lines += map(_comment, _group_lines(group))
    lines += ["", "[input]", f"globs = [{', '.join(map(_toml, recipe.globs))}]"]
    if recipe.rows is not None:
        lines.append(f"format = {_toml(recipe.rows.name)}           # by its columns")
    bad = [survey for survey in surveys if survey.error]
    if recipe.columns:
        lines += ["", "[input.columns]"]
        lines += [
            f"{part} = {_toml(column)}            # by its name and type" for part, column in recipe.columns.items()
        ]
    elif bad:
        lines += ["", *_columns_to_fill_in(bad[0])]
    return lines


def _group_lines(group: FileGroup) -> list[str]:
    about = "" if group.is_counted else "about "
    files = group.first if group.files == 1 else f"{group.first} and {group.files - 1} more"
    how = f"schema {group.schema}" if group.schema != "columns" else "columns by their names"
    each = "a list of completions" if group.is_list else "one completion"
    return [
        f"{files}: {about}{group.rows:,} rows, {size_told(group.bytes)}, {group.shards} shard(s); {how}; {each} a row",
        *(f"    {part} = {column}" for part, column in group.parts.items()),
    ]


def _columns_to_fill_in(survey: FileSurvey) -> list[str]:
    if survey.schema is None:
        return []
    lines = [
        _comment(survey.error),
        "# Fill in what is missing and take away the sign before it.",
        "",
        "[input.columns]",
    ]
    for part in LIKELY:
        if set(ROLES[part]).intersection(survey.schema.names):
            continue
        fitting = ", ".join(fitting_columns(part, survey.schema)) or "none"
        lines.append(_comment(f'{part} = ""           # columns that could be it: {fitting}'))
    return lines


def _sample_lines(look: _Look) -> list[str]:
    samples, sample = look.samples, look.sample
    total = samples.height
    unread = sample.samples.height - total
    prompts = max(1, samples["group_key"].n_unique())
    lines = [
        f"{sample.samples.height} completions of {prompts} prompts were looked at"
        + (f", of about {sample.samples_in_all:,}" if not sample.is_whole else ", which is all")
        + (f"; {unread} of them cannot be read" if unread else ""),
        f"think tags: {look.thoughts} of {total}",
        "references: " + ", ".join(f"{kind} {count}" for kind, count in _most(samples["reference"])),
        "languages of prompts: " + ", ".join(f"{name} {count}" for name, count in _most(_scripts(samples["prompt"]))),
        "domains: " + _counted(samples["name"]),
    ]
    if samples["source"].null_count() < total:
        lines.append("sources: " + _counted(samples["source"].fill_null("")))
    return ["", *map(_comment, lines)]


def _counted(values: pl.Series) -> str:
    found = _most(values)
    more = f", and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    return ", ".join(f"{value or '(none)'} {count}" for value, count in found[:_SHOWN]) + more


def _comment(text: str) -> str:
    """A line of the recipe that says something; what is no plain text is escaped, as a comment ends with its line."""
    return f"# {text if text.isprintable() else text.encode('unicode_escape').decode()}"


def _scripts(prompts: pl.Series) -> pl.Series:
    cjk, latin = prompts.str.count_matches(CJK), prompts.str.count_matches("[A-Za-z]")
    frame = pl.DataFrame({"cjk": cjk, "latin": latin, "kana": prompts.str.count_matches(r"[\p{Hiragana}\p{Katakana}]")})
    letters = pl.col("cjk") + pl.col("latin")
    is_cjk = (pl.col("cjk") > 0) & (_PERCENT * pl.col("cjk") >= CJK_PROMPT_PERCENT * letters)
    name = (
        pl.when(is_cjk & (pl.col("kana") == 0))
        .then(pl.lit("zh"))
        .when(is_cjk)
        .then(pl.lit("ja"))
        .when(pl.col("latin") > 0)
        .then(pl.lit("en or another in Latin letters"))
        .otherwise(pl.lit("other"))
    )
    return frame.select(name.alias("script")).to_series()


def _output_lines() -> list[str]:
    return ["[output]", f"dir = {_toml(_OUTPUT)}", ""]


def _step_lines(entries: Sequence[_Entry]) -> list[str]:
    lines: list[str] = []
    for entry in entries:
        if entry.left_out:
            lines += [
                _comment(f"{entry.name} is left out: {entry.left_out}."),
                *(_comment(f"    {line}") for line in _table(entry)),
                "",
            ]
            continue
        lines += [*map(_comment, entry.comments), *_table(entry), ""]
    return lines


def _table(entry: _Entry) -> list[str]:
    return [
        "[[steps]]",
        f"name = {_toml(entry.name)}",
        *(f"{key} = {_toml(value)}" for key, value in entry.options.items()),
    ]


def _verify_lines(wanted: _Wanted, verdicts: Sequence[str]) -> list[str]:
    lines: list[str] = []
    if not any(entry.name == "decontaminate" for entry in wanted.steps):
        lines += [
            "# To drop what evaluation sets hold, before dedup:",
            "#     [[steps]]",
            '#     name = "decontaminate"',
        ]
        lines += ['#     sets = "eval/*.jsonl"', ""]
    if wanted.verifies:
        lines += map(_comment, (*wanted.why_verify, *verdicts))
        lines += ["[verify]", *(f"{key} = {_toml(value)}" for key, value in wanted.verify.items())]
    return lines


def _toml(value: Option) -> str:
    """A value as TOML writes it; JSON's strings are TOML's but for the one control character that JSON leaves."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _joined(lines: Iterable[str]) -> str:
    return "\n".join(lines).rstrip("\n") + "\n"
