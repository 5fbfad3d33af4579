"""A plan as people read it, and as machines do."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from curation.estimates import Estimate, StageEstimate
from curation.plan import FileGroup, Level, Outlook, Plan, StepPlan
from curation.recipe import Option
from curation.report import funnel
from curation.steps import READ

_MINUTE_S, _HOUR_S, _DAY_S = 60, 3600, 86400
_KIB = 1024
_SHORT_S = 10
_STYLES = {Level.ERROR: "red", Level.ATTENTION: "yellow", Level.REMARK: "dim"}
_TOLD = {0: "ready", 1: "ready, but something needs attention", 2: "not ready"}


def plan_json(plan: Plan) -> str:
    """The plan as a JSON text; times and rates are those of this machine at this hour, all else is always the same."""
    fields = dataclasses.asdict(plan) | {"status": plan.status, "is_ready": plan.status < _NOT_READY}
    return json.dumps(fields, indent=2, ensure_ascii=False) + "\n"


_NOT_READY = 2


def print_plan(plan: Plan, console: Console) -> None:
    """Prints it: what there is, what the sample shows, what is to be expected, and what needs a look, which is last."""
    for group in plan.files:
        console.print(_files(group), soft_wrap=True)
    if plan.engine:
        console.print(f"engine  {plan.engine}", soft_wrap=True, markup=False, highlight=False)
    if plan.judge:
        console.print(f"judge   {plan.judge}", soft_wrap=True, markup=False, highlight=False)
    if plan.output:
        console.print(f"output  {plan.output}", soft_wrap=True, markup=False, highlight=False)
    if plan.steps:
        console.print()
        console.print(_steps(plan.steps, has_trial=plan.outlook is not None))
    if plan.outlook is not None and plan.funnel is not None:
        console.print()
        console.print(_sample(plan.outlook), soft_wrap=True, highlight=False)
        console.print(funnel([plan.funnel], [READ, *(step.name for step in plan.steps)], is_sample=True))
        _print_outlook(plan.outlook, console)
    console.print()
    for finding in plan.findings:
        line = Text.assemble(
            (f"{finding.level.value}  ", _STYLES[finding.level]), f"{finding.field}: {finding.message}"
        )
        console.print(line, soft_wrap=True)
    console.print(Text(_TOLD[plan.status], style="bold"))


def _files(group: FileGroup) -> Text:
    about = "" if group.is_counted else "about "
    files = group.first if group.files == 1 else f"{group.first} and {group.files - 1} more"
    parts = ", ".join(f"{part} = {column}" for part, column in group.parts.items())
    each = "a list of completions" if group.is_list else "one completion"
    return Text(
        f"input   {files}: {about}{group.rows:,} rows, {size_told(group.bytes)}, {group.shards} shard(s)\n"
        f"        schema {group.schema}; {each} a row; {parts}"
    )


def _steps(steps: Sequence[StepPlan], *, has_trial: bool) -> Table:
    table = Table(title="Steps", title_justify="left")
    table.add_column("step")
    table.add_column("options that are not the default", overflow="fold")
    if has_trial:
        table.add_column("drops of the sample", justify="right")
        table.add_column("CPU ms per 1,000", justify="right")
    for step in steps:
        told = options_told(step.options)
        cells = [step.name, f"{told} (reads {', '.join(step.reads)})" if step.reads else told]
        if has_trial:
            cells += [f"{step.dropped:,}", "" if step.ms_per_1000 is None else f"{step.ms_per_1000:,.0f}"]
        table.add_row(*map(Text, cells))
    return table


def options_told(options: Mapping[str, Option]) -> str:
    """Options as a recipe writes them, with commas between."""
    return ", ".join(f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in options.items())


def _sample(outlook: Outlook) -> Text:
    of_what = "all there are" if outlook.is_whole else f"of about {outlook.completions_in_all:,}"
    prompts = f"{outlook.prompts:,} prompts in {outlook.rows:,} rows"
    return Text(f"Sample: {outlook.completions:,} completions of {prompts}, {of_what}")


def _print_outlook(outlook: Outlook, console: Console) -> None:
    if outlook.unjudged:
        console.print()
        table = Table(title=f"Not judged, of {outlook.judged:,} that came to it", title_justify="left")
        for name in ("outcome", "reason", "sample", "such as"):
            table.add_column(name, overflow="fold", justify="right" if name == "sample" else "left")
        for one in outlook.unjudged:
            table.add_row(one.outcome, Text(one.reason), f"{one.count:,}", Text("\n".join(one.examples)))
        console.print(table)
    console.print()
    console.print(_domains(outlook))
    console.print()
    console.print(_times(outlook.stages))
    kept = _estimate(outlook.kept)
    judged = "" if outlook.is_judged else "; nothing was judged, so this is what comes to verify at most"
    console.print(f"kept    {kept} samples (95 %){judged}", soft_wrap=True, highlight=False)
    if outlook.to_score is not None:
        scored = "samples that the judge would be asked to score, less those in the store; none was asked about here"
        console.print(f"scores  {_estimate(outlook.to_score)} {scored}", soft_wrap=True, highlight=False)
    disk = outlook.disk
    spill = f", {size_told(disk.spill)} on the way" if disk.spill else ""
    free = "" if outlook.free_bytes is None else f"; {size_told(outlook.free_bytes)} are free"
    console.print(
        f"disk    about {size_told(disk.total)}: {size_told(disk.data)} of kept samples, {size_told(disk.account)} of "
        f"the account of others, {size_told(disk.state)} of state{spill}{free}",
        soft_wrap=True,
        highlight=False,
    )


def _domains(outlook: Outlook) -> Table:
    has_quota = any(one.quota is not None for one in outlook.domains)
    table = Table(title="By domain", title_justify="left")
    table.add_column("domain")
    heads = ["sample", "kept of it", "share", "kept in the corpus"]
    for name in [*heads, "quota", "", "after quotas"] if has_quota else heads:
        table.add_column(name, justify="right")
    for one in outlook.domains:
        share = f"{100 * one.kept / one.sampled:.0f}%" if one.sampled else "-"
        cells = [one.domain or "(none)", f"{one.sampled:,}", f"{one.kept:,}", share, _estimate(one.available)]
        if has_quota:
            cells += ["-" if one.quota is None else f"{one.quota:,}", one.state, _estimate(one.output)]
        table.add_row(*map(Text, cells))
    return table


def _estimate(estimate: Estimate) -> str:
    if estimate.low == estimate.high:
        return f"{estimate.count:,}"
    return f"{estimate.count:,} ({estimate.low:,} to {estimate.high:,})"


def _times(stages: Sequence[StageEstimate]) -> Table:
    table = Table(title="Time", title_justify="left")
    table.add_column("stage")
    for name in ("units", "wall", "CPU", "whole run, about"):
        table.add_column(name, justify="right")
    for stage in stages:
        is_measured = stage.units > 0
        table.add_row(
            stage.stage,
            f"{stage.units:,}" if is_measured else "",
            f"{stage.wall_s:.2f} s" if is_measured else "",
            f"{stage.cpu_s:.2f} s" if is_measured else "",
            time_told(stage.corpus_wall_s),
        )
    table.add_section()
    table.add_row("all", "", "", "", time_told(sum(stage.corpus_wall_s for stage in stages)))
    return table


def time_told(seconds: float) -> str:
    """A time in the unit that reads best."""
    if seconds < _SHORT_S:
        return f"{seconds:.1f} s"
    if seconds < _MINUTE_S * 2:
        return f"{seconds:.0f} s"
    if seconds < _HOUR_S * 2:
        return f"{seconds / _MINUTE_S:.0f} min"
    if seconds < _DAY_S * 2:
        return f"{seconds / _HOUR_S:.1f} h"
    return f"{seconds / _DAY_S:.1f} days"


def size_told(size: int) -> str:
    """Bytes in the unit that reads best."""
    value = float(size)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < _KIB:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= _KIB
    return f"{value:.1f} TiB"
