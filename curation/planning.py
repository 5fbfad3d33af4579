"""What a run would need and give, told before any work; the output directory is only looked at.

Everything that can be wrong is looked for, and all of it is told at once. Then the recipe is tried on a sample.
"""

from __future__ import annotations

import asyncio
import dataclasses
import os
import shutil
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from curation.columns import Layout
from curation.errors import EngineStoppedError, RecipeError, ShardError, UsageError
from curation.estimates import (
    DomainEstimate,
    estimate_count,
    estimate_disk,
    estimate_domains,
    estimate_kept,
    estimate_time,
)
from curation.executors.local import processes_for
from curation.finished import held_still
from curation.judge_spec import JudgeSpec
from curation.manifest import Directory
from curation.ordering import order_findings
from curation.plan import FileGroup, Level, Outlook, Plan, StepPlan, Unjudged
from curation.recipe import Recipe, read_recipe
from curation.sampling import FileSurvey, Sample, draw_sample, survey_files
from curation.shards import Shard, named_shards
from curation.sources import Source, find_sources
from curation.steps import find_steps
from curation.steps.base import GroupStep, Step
from curation.steps.dedup import Dedup
from curation.steps.dedup_prompts import DedupPrompts
from curation.steps.quality import JudgedQuality
from curation.steps.quota import Quota
from curation.steps.verify import Verify
from curation.trial import Trial, reference_kinds, try_recipe, verdict_reasons
from verifier.engines.base import Engine
from verifier.errors import InfrastructureError, InvalidRequestError, JudgeModelError
from verifier.settings import Settings, load_settings

MOST_UNSCORABLE_PERCENT = 5
"""Share of the judged completions without a verdict above which a plan is not simply ready."""

_EXAMPLES = 3
_FEW = 30
_PERCENT = 100
_FULL_PERCENT = 90


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanRequest:
    """What is to be planned.

    Args:
        text: of the recipe.
        name: of its file, for messages.
        globs: in place of the recipe's, where there are any.
        output: in place of the recipe's, where there is one.
        server: that judges.
        sandbox: where programs run.
        completions: of the sample.
    """

    text: str
    name: str = "recipe"
    globs: tuple[str, ...] = ()
    output: str = ""
    server: str | None = None
    sandbox: str | None = None
    completions: int = 500


EngineOpener = Callable[[Settings], AbstractAsyncContextManager[Engine]]
SandboxCheck = Callable[[Settings], Awaitable[str]]


def open_engine_of(settings: Settings) -> AbstractAsyncContextManager[Engine]:
    """The engine of these settings."""
    from verifier.bootstrap import open_engine  # noqa: PLC0415 - only recipes that verify wait for its imports

    return open_engine(settings)


async def sandbox_trouble(settings: Settings) -> str:
    """Why the sandbox of these settings cannot run programs, with the remedy; empty where it can.

    Raises:
        UnknownNameError: there is no such sandbox.
    """
    from verifier.bootstrap import make_sandbox  # noqa: PLC0415 - only recipes that verify wait for its imports

    sandbox = make_sandbox(replace(settings, sandbox_slots=1))
    try:
        report = await sandbox.report()
    except InfrastructureError as error:
        return str(error)
    finally:
        await sandbox.aclose()
    return "" if report.is_ready else report.remedy or "see verifier doctor"


def make_plan(
    request: PlanRequest,
    *,
    open_engine: EngineOpener = open_engine_of,
    sandbox_check: SandboxCheck = sandbox_trouble,
) -> Plan:
    """Checks everything, and tries the recipe on a sample.

    Args:
        request: what to plan.
        open_engine: opens an engine by settings.
        sandbox_check: tells why a sandbox cannot be used.
    """
    plan = Plan()
    recipe, steps = _read_recipe(request, plan)
    surveys = _survey(recipe, plan)
    good = [survey for survey in surveys if not survey.error]
    plan.files = file_groups(good)
    plan.steps = [_step_plan(step) for step in steps]
    if recipe.judge is not None:
        asyncio.run(_check_judge(recipe.judge, plan))
    _check_output(recipe.output, surveys, plan)
    is_whole_recipe = steps and not any(finding.field.startswith(("steps", "verify")) for finding in plan.findings)
    if good and is_whole_recipe and sum(survey.rows for survey in good):
        try:
            sample = draw_sample(good, recipe, steps, completions=request.completions)
        except ShardError as error:
            plan.add(Level.ERROR, "input.globs", f"a file is damaged: {error}; mend or remove it")
        else:
            trial = asyncio.run(_try(plan, recipe, steps, sample, _Judges(request, open_engine, sandbox_check)))
            _look_at(plan, recipe, steps, sample, trial)
            _check_disk(plan)
    elif good and is_whole_recipe:
        plan.add(Level.ATTENTION, "input.globs", "the files hold no rows; check the paths")
    order = {level: place for place, level in enumerate(Level)}
    plan.findings.sort(key=lambda finding: order[finding.level])
    return plan


def _read_recipe(request: PlanRequest, plan: Plan) -> tuple[Recipe, tuple[Step, ...]]:
    recipe, wrong = read_recipe(request.text, name=request.name)
    steps, unfit = find_steps(recipe)
    for error in (*wrong, *unfit):
        plan.add(Level.ERROR, error.field, error.told)
    return replace(recipe, globs=request.globs or recipe.globs, output=request.output or recipe.output), steps


def _survey(recipe: Recipe, plan: Plan) -> list[FileSurvey]:
    """All files; each glob by itself, so that the bad ones are told and the others looked at."""
    found: dict[str, Source] = {}
    for glob in recipe.globs or ((),):
        try:
            for source in find_sources([glob] if glob else [], recipe.storage, output=recipe.output):
                found.setdefault(source.path, source)
        except UsageError as error:
            plan.add(Level.ERROR, "input.globs", str(error))
    surveys = survey_files([found[path] for path in sorted(found)], recipe)
    for survey in surveys:
        if survey.error:
            where = "input.globs" if survey.schema is None else "input.columns"
            plan.add(Level.ERROR, where, survey.error)
        elif survey.trouble:
            plan.add(Level.ATTENTION, "input.globs", survey.trouble)
    return surveys


def file_groups(surveys: Sequence[FileSurvey]) -> list[FileGroup]:
    """Files that are read alike, together, in the order of their first."""
    groups: dict[str, list[FileSurvey]] = {}
    for survey in surveys:
        if survey.layout is not None:
            groups.setdefault(repr((survey.layout.schema, parts_of(survey.layout), survey.layout.is_list)), []).append(
                survey
            )
    shards = named_shards([(survey.source, survey.ranges) for survey in surveys])
    return [_file_group(group, group[0].layout, shards) for group in groups.values() if group[0].layout is not None]


def _file_group(group: Sequence[FileSurvey], layout: Layout, shards: Sequence[Shard]) -> FileGroup:
    paths = {survey.source.path for survey in group}
    return FileGroup(
        schema=layout.schema,
        parts=parts_of(layout),
        is_list=layout.is_list,
        files=len(group),
        first=group[0].source.path,
        shards=sum(not paths.isdisjoint(shard.paths) for shard in shards),
        rows=sum(survey.rows for survey in group),
        is_counted=all(survey.is_counted for survey in group),
        bytes=sum(survey.bytes for survey in group),
    )


def parts_of(layout: Layout) -> dict[str, str]:
    """Part -> the column that plays it, or what it is made of."""
    parts = dict(layout.columns)
    made_of = ", ".join(layout.made_of)
    parts |= dict.fromkeys(layout.made, f"made of {made_of}" if made_of else "made")
    if layout.rows is not None:
        fields = ", ".join(layout.row_columns.values())
        parts["tests"] = f"format {layout.rows.name} of {fields or made_of}"
    return dict(sorted(parts.items()))


def _step_plan(step: Step) -> StepPlan:
    defaults = {item.name: item.default for item in dataclasses.fields(step)}
    options = {name: value for name, value in dataclasses.asdict(step).items() if value != defaults[name]}
    reads = tuple(sorted(name.partition(":")[2] or str(getattr(step, name)) for name in step.inputs()))
    return StepPlan(name=step.name, options=options, reads=reads)


def _check_output(output: str, surveys: Sequence[FileSurvey], plan: Plan) -> None:
    plan.output = output
    if not output:
        message = 'no output directory; give --output DIR, or [output] dir = "..." in the recipe'
        plan.add(Level.ERROR, "output.dir", message)
        return
    path = Path(output)
    there = existing(path)
    if not there.is_dir():
        plan.add(Level.ERROR, "output.dir", f"{there} is no directory; choose another --output")
    elif not os.access(there, os.W_OK | os.X_OK):
        message = f"{there} cannot be written by this user; change its rights, or choose another --output"
        plan.add(Level.ERROR, "output.dir", message)
    elif path.is_dir():
        shards = named_shards([(survey.source, survey.ranges) for survey in surveys])
        try:
            with held_still(path):
                Directory(path).check_strangers(shards)
        except UsageError as error:
            plan.add(Level.ERROR, "output.dir", str(error))
        done = sum((path / "shards" / f"{shard.name}.json").is_file() for shard in shards)
        if done:
            message = f"holds {done} of {len(shards)} shards of an earlier run, which goes on with what is left"
            plan.add(Level.REMARK, "output.dir", f"{output} {message}; estimates are for all shards")


def existing(path: Path) -> Path:
    """The path, or the nearest above it that is there."""
    path = path.absolute()
    while not path.exists() and path != path.parent:
        path = path.parent
    return path


@dataclass(frozen=True, slots=True)
class _Judges:
    """Where verdicts come from."""

    request: PlanRequest
    open_engine: EngineOpener
    sandbox_check: SandboxCheck

    async def opened(self, plan: Plan, verify: Verify, kinds: set[str], stack: AsyncExitStack) -> Engine | None:
        """The engine, or None where it cannot be used, which is told."""
        server = self.request.server
        try:
            settings = load_settings(server=server, sandbox=self.request.sandbox)
            if not settings.server and "code" in kinds and (trouble := await self.sandbox_check(settings)):
                told = f"programs cannot be run in the sandbox {settings.sandbox}, and rows have tests: {trouble}"
                plan.add(Level.ERROR, "--sandbox", told)
            engine = await stack.enter_async_context(self.open_engine(settings))
            info = await engine.info()
        except InvalidRequestError as error:
            plan.add(Level.ERROR, "engine", str(error))
            return None
        except InfrastructureError as error:
            remedy = "start it, or judge in this process without --server" if server else "see verifier doctor"
            plan.add(Level.ERROR, "--server" if server else "engine", f"{error}; {remedy}")
            return None
        where = settings.server or f"this process, {settings.workers} workers"
        plan.engine = f"{where}; verifier {info.version}; recipes {', '.join(info.recipes)}"
        refused = verify.refused_by(info)
        for refusal in refused:
            plan.add(Level.ERROR, refusal.field, refusal.told)
        return None if refused else engine


async def _try(plan: Plan, recipe: Recipe, steps: tuple[Step, ...], sample: Sample, judges: _Judges) -> Trial:
    verify = next((step for step in steps if isinstance(step, Verify)), None)
    async with AsyncExitStack() as stack:
        engine = None
        if verify is not None:
            engine = await judges.opened(plan, verify, _kinds_to_judge(sample, verify), stack)
        try:
            return await try_recipe(sample, recipe, steps, engine)
        except EngineStoppedError as error:
            plan.add(Level.ERROR, "engine", f"{error}; start it again, or judge in this process without --server")
            return await try_recipe(sample, recipe, steps, None)


async def _check_judge(judge: JudgeSpec, plan: Plan) -> None:
    """Whether the judge model can be asked."""
    from verifier.generative.panel import check_model  # noqa: PLC0415 - few recipes wait for its HTTP client

    plan.judge = f"{judge.options.model} at {judge.options.url}"
    try:
        judge.check()
        await check_model(judge.options)
    except RecipeError as error:
        plan.add(Level.ERROR, error.field, error.told)
    except JudgeModelError as error:
        if error.is_lasting:
            plan.add(Level.ERROR, "judge", f"cannot be asked: {error}")
        else:
            told = f"does not answer now: {error}; samples fail while it does not"
            plan.add(Level.ATTENTION, "judge", told)


def _kinds_to_judge(sample: Sample, verify: Verify) -> set[str]:
    covers = verify.covers(pl.col("domain"))
    samples = sample.samples.filter(pl.col("trouble").is_null())
    return set(reference_kinds(samples if covers is None else samples.filter(covers)))


def _look_at(plan: Plan, recipe: Recipe, steps: tuple[Step, ...], sample: Sample, trial: Trial) -> None:
    """Findings and estimates from what the trial left."""
    dropped = {step: sum(reasons.values()) for step, reasons in trial.entry.dropped.items()}
    dropped["verify"] = dropped.get("verify", 0) + trial.entry.failed
    many = max(1, sample.samples.height)
    plan.steps = [
        replace(
            one,
            dropped=dropped.get(one.name, 0),
            ms_per_1000=1e6 * trial.steps_s[one.name] / many if one.name in trial.steps_s else None,
        )
        for one in plan.steps
    ]
    plan.funnel = trial.entry
    domains = estimate_domains(sample, trial, steps)
    kept = estimate_kept(sample, trial, domains)
    plan.outlook = Outlook(
        completions=sample.samples.height,
        prompts=sample.samples["group_key"].n_unique(),
        rows=len(sample.places),
        is_whole=sample.is_whole,
        is_judged=trial.judgements is not None,
        judged=int(trial.to_judge.sum()),
        to_score=estimate_count(trial.to_score.to_numpy(), sample) if _scores(steps) else None,
        completions_in_all=sample.samples_in_all,
        kept=kept,
        domains=domains,
        unjudged=_unjudged(sample, trial),
        stages=estimate_time(
            sample, trial, steps, kept, processes=processes_for(sum(group.bytes for group in plan.files))
        ),
        disk=estimate_disk(sample, trial, steps, kept),
        free_bytes=shutil.disk_usage(existing(Path(plan.output))).free if plan.output else None,
    )
    for finding in order_findings(steps, trial):
        level = Level.ATTENTION if finding.matters else Level.REMARK
        plan.add(level, finding.field, finding.message)
    _check_domains(plan, steps, domains)
    _check_verdicts(plan, recipe, plan.outlook, trial)
    _check_sample(plan, steps, sample, trial)


def _scores(steps: Sequence[Step]) -> bool:
    return any(isinstance(step, JudgedQuality) for step in steps)


def _check_disk(plan: Plan) -> None:
    if plan.outlook is None or plan.outlook.free_bytes is None:
        return
    total, free = plan.outlook.disk.total, plan.outlook.free_bytes
    if total > free:
        told = f"needs about {total:,} bytes and {free:,} are free; make room, or choose another --output"
        plan.add(Level.ERROR, "output.dir", told)
    elif _PERCENT * total > _FULL_PERCENT * free:
        told = f"needs about {total:,} bytes of the {free:,} that are free; make room to be safe"
        plan.add(Level.ATTENTION, "output.dir", told)


def _unjudged(sample: Sample, trial: Trial) -> list[Unjudged]:
    reasons = verdict_reasons(trial).filter(pl.col("outcome").is_in(["UNSCORABLE", "FAILED"]))
    named = reasons.with_columns(named=pl.format("{}:{}", "verifier", "reason"))
    rows = sample.samples["input_row"]
    found = [
        Unjudged(
            outcome=outcome,
            reason=reason,
            count=len(places),
            examples=tuple(dict.fromkeys(str(sample.places[rows[place]]) for place in places))[:_EXAMPLES],
        )
        for outcome, reason, places in named.group_by("outcome", "named", maintain_order=True)
        .agg(pl.col("place"))
        .iter_rows()
    ]
    return sorted(found, key=lambda one: (-one.count, one.reason))


def _check_domains(plan: Plan, steps: Sequence[Step], domains: Sequence[DomainEstimate]) -> None:
    for one in domains:
        if one.state == "short" and one.quota is not None:
            told = f"{one.domain} will have {one.available.low:,} to {one.available.high:,} of {one.quota:,}"
            plan.add(Level.ATTENTION, "quota", f"{told}; add shards of it, or lower its quota")
        elif one.state == "may run short" and one.quota is not None:
            told = f"{one.domain} may have {one.available.low:,} to {one.available.high:,} of {one.quota:,}"
            plan.add(Level.REMARK, "quota", f"{told}; a larger --sample tells more")
    there = pl.DataFrame({"domain": [one.domain for one in domains if one.sampled]}, schema={"domain": pl.String})
    for step in steps:
        covers = None if not step.only else replace_skip(step).covers(pl.col("domain"))
        if covers is not None and not there.select(covers.any()).item():
            names = ", ".join(repr(name) for name in there["domain"]) or "none"
            told = f"only = {step.only!r} names no domain of the sample, which has {names}; the step looks at nothing"
            plan.add(Level.ATTENTION, step.name, told)


def replace_skip(step: Step) -> Step:
    """The step with its option ``only`` alone."""
    return dataclasses.replace(step, skip="")


def _check_verdicts(plan: Plan, recipe: Recipe, outlook: Outlook, trial: Trial) -> None:
    if not outlook.judged or not outlook.is_judged:
        if any(step.name == "verify" for step in plan.steps) and outlook.is_judged:
            plan.add(Level.ATTENTION, "verify", "no completion of the sample comes to be judged; see the funnel")
        return
    reasons = verdict_reasons(trial)
    unscorable = reasons.filter(pl.col("outcome") == "UNSCORABLE")["place"].n_unique()
    failed = trial.entry.failed
    if _PERCENT * unscorable > MOST_UNSCORABLE_PERCENT * outlook.judged:
        told = f"{unscorable} of {outlook.judged} judged completions are unscorable, as their references are at fault"
        plan.add(Level.ATTENTION, "verify", f"{told}; mend those, map them, or skip their domains in [verify]")
    if failed:
        causes = ", ".join(trial.entry.failures.get(Verify.name, {}))
        told = f"{failed} of {outlook.judged} completions could not be judged: {causes}"
        most = recipe.verify.max_failed_percent
        if _PERCENT * failed > most * outlook.judged:
            told = f"{told}; over max_failed_percent = {most:g}, a run would stop"
            plan.add(Level.ERROR, "verify.max_failed_percent", f"{told}: mend the cause, see verifier doctor")
        else:
            plan.add(Level.ATTENTION, "verify", f"{told}; see verifier doctor")


def _check_sample(plan: Plan, steps: Sequence[Step], sample: Sample, trial: Trial) -> None:
    if not trial.entry.kept:
        plan.add(Level.ATTENTION, "steps", "nothing of the sample is kept; the funnel says which step drops it")
    if sample.is_whole:
        return
    independent = len(set(sample.clusters.tolist()))
    if independent < _FEW:
        told = (
            f"{sample.samples.height} completions stand in {independent} prompts or runs of rows, so intervals are wide"
        )
        plan.add(Level.REMARK, "--sample", f"{told}; a larger --sample narrows them")
    compared = [step.name for step in steps if isinstance(step, GroupStep) and not isinstance(step, Quota)]
    if sample.is_scattered and compared:
        told = "completions of one prompt lie apart in the files, and the sample has few of each"
        plan.add(Level.REMARK, "steps", f"{told}: {', '.join(compared)} will drop more than it tells")
    for step in steps:
        if isinstance(step, DedupPrompts):
            told = "compares all prompts of the corpus; a sample holds few that repeat, so it will drop more than here"
            plan.add(Level.REMARK, step.name, told)
        elif isinstance(step, Dedup) and not sample.is_scattered:
            told = "compares the completions of a prompt, which are whole in the sample; what it tells holds"
            plan.add(Level.REMARK, step.name, told)
        elif isinstance(step, Quota):
            told = "counts the whole corpus; the funnel shows the sample before it, and the domains what it will take"
            plan.add(Level.REMARK, step.name, told)
