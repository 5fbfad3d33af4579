"""Inputs and outputs in one object: APPS, TACO, and the rows of verl, PRIME and rLLM made from them.

``{"inputs": [...], "outputs": [...], "fn_name": "..."}``: with a function its calls, and else the standard input and
output of a program. An input or output of a program is a text or a list of lines. The arguments of a call are a list,
or a text with the JSON of one argument a line; in the latter case the value is JSON too.

Source:
    https://github.com/hendrycks/apps, https://huggingface.co/datasets/BAAI/TACO,
    https://github.com/volcengine/verl (``verl/utils/reward_score``), https://github.com/agentica-project/rllm.
"""

from __future__ import annotations

from verifier.formats import cases
from verifier.formats.base import Task
from verifier.formats.fields import FieldError, Fields, list_of, object_of, shown, text_of
from verifier.formats.mbpp import from_statements
from verifier.types import CodeReference


def read_apps(row: Fields) -> Task:
    """A row of APPS."""
    field = row.at("input_output")
    return Task(
        reference=_from_pairs(
            object_of(cases.nested(row.needed("input_output"), field), field), returns=row.text("starter_code")
        ),
        solution=_first(row),
    )


def read_taco(row: Fields) -> Task:
    """A row of TACO: APPS with limits in words."""
    field = row.at("input_output")
    value = cases.nested(row.get("input_output"), field)
    return Task(
        reference=_from_pairs(
            object_of(value, field),
            returns=row.text("starter_code"),
            time_limit_s=cases.time_limit(row.get("time_limit"), row.at("time_limit")),
            memory_limit_bytes=cases.memory_limit(row.get("memory_limit"), row.at("memory_limit")),
        ),
        solution=_first(row),
    )


def read_verl(row: Fields) -> Task:
    """A row of verl or PRIME: the tests are in ``ground_truth``, mostly inside ``reward_model``."""
    holder = row.child("reward_model") or row
    field = holder.at("ground_truth")
    tests = object_of(cases.nested(holder.get("ground_truth"), field), field)
    if tests.get("assert_case") is not None:
        statements = tests.get("assert_case")
        texts = (statements,) if isinstance(statements, str) else tests.texts("assert_case")
        if not texts:
            raise FieldError(tests.at("assert_case"), "holds no test; drop the row, or fill in the field")
        return from_statements(texts, tests.text("import_prefix"), "")
    if script := tests.text("functional"):
        return from_statements((script,), "", "")
    return Task(reference=_from_pairs(tests))


def read_rllm(row: Fields) -> Task:
    """A row of rLLM or DeepCoder: an object of inputs and outputs, or a list with an object for each case."""
    field = row.at("tests")
    tests = cases.nested(row.get("tests"), field)
    if isinstance(tests, dict):
        fields = object_of(tests, field)
        return Task(reference=_from_pairs(fields.child("stdio") or fields, returns=row.text("starter_code")))
    if tests is None:
        raise FieldError(field, "missing; this format needs it")
    metadata = cases.nested(row.get("metadata") or None, row.at("metadata"))
    function = object_of(metadata, row.at("metadata")).text("func_name") if metadata is not None else ""
    return Task(reference=from_cases(list_of(tests, field), field, function=function, returns=row.text("starter_code")))


def from_cases(
    tests: list[tuple[object, str]],
    field: str,
    *,
    function: str = "",
    text: cases.Text = "lines",
    returns: str = "",
    may_wrap: bool = True,
    time_limit_s: float | None = None,
    memory_limit_bytes: int | None = None,
) -> CodeReference:
    """The reference of a list of objects ``{input, output}``, each with its kind and function, or none with one.

    Args:
        tests: each with its path.
        field: that they come from.
        function: to call, where the cases do not name it.
        text: how an input that is a text holds arguments.
        returns: starter code.
        may_wrap: outputs may stand in one more list.
        time_limit_s: of each case.
        memory_limit_bytes: of each case.

    Raises:
        FieldError: a case is not of the form, or they are of several kinds.
    """
    objects = [object_of(*test) for test in tests]
    kinds = {_kind(test, function) for test in objects}
    if len(kinds) > 1:
        raise FieldError(field, "mixes standard input and calls, or several functions; split the row")
    return cases.reference(
        [(test.get("input"), test.at("input")) for test in objects],
        [(test.get("output"), test.at("output")) for test in objects],
        field=field,
        function=next(iter(kinds), ""),
        text=text,
        returns=returns,
        may_wrap=may_wrap,
        time_limit_s=time_limit_s,
        memory_limit_bytes=memory_limit_bytes,
    )


_STDIO = ("stdin_stdout", "stdin", "stdio")
_CALLS = ("function_call", "functional", "call_based")


def _kind(test: Fields, function: str) -> str:
    """The function that a case calls; empty for standard input."""
    kind = test.text("type") or test.text("testtype")
    metadata = test.child("metadata")
    name = test.text("fn_name") or (metadata.text("func_name") if metadata else "") or function
    if kind and kind not in (*_STDIO, *_CALLS):
        raise FieldError(test.path, f"has the type {shown(kind)}; known: {', '.join((*_STDIO, *_CALLS))}")
    if kind in _CALLS and not name:
        raise FieldError(test.path, "is a call and names no function; give fn_name")
    return "" if kind in _STDIO else name


def _from_pairs(
    tests: Fields, *, returns: str = "", time_limit_s: float | None = None, memory_limit_bytes: int | None = None
) -> CodeReference:
    return cases.reference(
        tests.items("inputs"),
        tests.items("outputs"),
        field=tests.path,
        function=tests.text("fn_name"),
        returns=returns,
        may_wrap=True,
        time_limit_s=time_limit_s,
        memory_limit_bytes=memory_limit_bytes,
    )


def _first(row: Fields) -> str:
    """The first of the row's solutions."""
    value = row.get("solutions")
    solutions = list_of(cases.nested(value or None, row.at("solutions")), row.at("solutions"))
    return text_of(*solutions[0]) if solutions else ""
