"""Public reasoning datasets: how a shard of one is told from its columns, and how its rows become parts.

To add a dataset: an entry in ``SCHEMAS``. The first that fits a shard is taken, so the more special stand first, and
what tells a dataset (``has``) must be columns that no ordinary table happens to have together.

Source:
    The features on the dataset cards of the repositories named in ``Schema.source``, on the Hugging Face Hub.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import polars as pl
import pyarrow as pa

from curation.arrow import (
    CHAT,
    FLAG,
    FLAGS,
    NOTHING,
    NUMBER,
    PARTS_CHAT,
    SHAREGPT,
    TEXT,
    TEXTS,
    WHOLE,
    Kind,
    lists,
    plain_type,
    structs,
)
from curation.errors import InputError, near

COLUMNS = "columns"
"""Name for a shard whose parts are found one by one by the names of columns, and for no recognition in a recipe."""

CONVERSATION = "conversation"
"""A made part: the turns, the last of which is the completion where it is the assistant's."""

COMPLETIONS = ("completions", "generations", "responses", "completion", "response")
"""Names under which completions are found."""

_RAW = "column:"
_SHARED = "shared:"


def raw(name: str) -> pl.Expr:
    """A column of the shard, in the expressions of ``Made``."""
    return pl.col(raw_name(name))


def raw_name(name: str) -> str:
    """How a column of the shard is called beside the parts made of it."""
    return f"{_RAW}{name}"


def shared_name(name: str) -> str:
    """How a value that several parts are made of is called; no column of the shard is called so."""
    return f"{_SHARED}{name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A part that is made of columns.

    Args:
        of: the columns, and what they must be; a shard without one of them does not get the part.
        value: expression over ``raw`` columns.
        is_list: whether it is a list in each row: of completions, or of the turns of a prompt.
    """

    of: Mapping[str, Kind]
    value: pl.Expr
    is_list: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Schema:
    """How the shards of a dataset are recognised and read.

    Args:
        name: as recipes name it.
        source: datasets that are written so.
        has: columns by which it is recognised, and what they must be.
        lacks: columns that a shard of it never has; those with completions of somebody's own are not overlooked.
        columns: part -> columns that play it as they stand, in the order they are tried.
        shared: name -> value that several parts are made of, over ``raw`` columns of ``has``; under ``shared_name``.
        made: part -> how it is made.
        without: parts that no column plays, though one has the name.
        format: of ``verifier.formats.FORMATS``, by which the tests are read; empty for none.
        has_markup: the completions may hold the markup of ``with_think_tags``.

    A part of which it says nothing is found by name, as in any other shard.
    """

    name: str
    source: str
    has: Mapping[str, Kind]
    lacks: tuple[str, ...] = COMPLETIONS
    columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    shared: Mapping[str, pl.Expr] = field(default_factory=dict)
    made: Mapping[str, Made] = field(default_factory=dict)
    without: tuple[str, ...] = ()
    format: str = ""
    has_markup: bool = False

    def missing(self, types: Mapping[str, pa.DataType]) -> str:
        """The first column of ``has`` that is missing or of another type; empty where all are there."""
        return next((name for name, kind in self.has.items() if name not in types or not kind.fits(types[name])), "")


def find_schema(schema: pa.Schema, name: str, mapping: Mapping[str, str], *, path: str) -> Schema | None:
    """The schema of a shard; None where its parts are found one by one.

    Args:
        schema: of the Parquet file.
        name: of the schema, as the recipe says; empty to recognise it.
        mapping: part -> column, as the recipe says.
        path: of the shard, for messages.

    Raises:
        InputError: the shard lacks a column of the schema that the recipe names.
    """
    if name == COLUMNS:
        return None
    types = {item.name: plain_type(item.type) for item in schema}
    if name:
        named = SCHEMAS[name]
        if missing := named.missing(types):
            told = f"is {types[missing]}" if missing in types else f"is not there; {near(missing, types)}"
            raise InputError(
                f"{path}: the schema {name} needs {missing!r} to be {named.has[missing].told}; the column {told}. "
                f'Take another schema in [input], or schema = "{COLUMNS}"'
            )
        return named
    for one in SCHEMAS.values():
        is_talk = CONVERSATION in one.made and "completions" in mapping
        if not one.missing(types) and not is_talk and not any(column in types for column in one.lacks):
            return one
    return None


_BEGIN_THOUGHT, _END_THOUGHT = "<|begin_of_thought|>", "<|end_of_thought|>"
_BEGIN_SOLUTION, _END_SOLUTION = "<|begin_of_solution|>", "<|end_of_solution|>"
_MARKED = r"\A\s*" + _BEGIN_THOUGHT.replace("|", r"\|")
_TAGS: Mapping[str, str] = {
    # At one place the first is taken, so the usual way to write it, with its empty lines, stands first.
    f"{_BEGIN_THOUGHT}\n\n": "<think>\n",
    f"\n\n{_END_THOUGHT}\n\n{_BEGIN_SOLUTION}\n\n": "\n</think>\n\n",
    f"\n\n{_END_SOLUTION}": "",
    _BEGIN_THOUGHT: "<think>",
    _END_THOUGHT: "</think>",
    _BEGIN_SOLUTION: "",
    _END_SOLUTION: "",
}


def with_think_tags(rows: pl.DataFrame, column: str) -> pl.DataFrame:
    """The rows with thought and solution marked as in ``<think>...</think>``, where a text begins with such markup.

    Formula: ``<|begin_of_thought|>T<|end_of_thought|><|begin_of_solution|>S<|end_of_solution|>`` becomes
    ``<think>T</think>S``; of the empty lines around the marks one stays before S. Other texts are not touched.

    Source:
        The prompts of Sky-T1 (https://github.com/NovaSky-AI/SkyThought).
    """
    is_marked = rows[column].str.contains(_MARKED).fill_null(value=False)
    if not is_marked.any():
        return rows
    # Both branches of a condition are computed, so the texts to be left alone are masked before they are rewritten.
    marked = pl.when(is_marked).then(pl.col(column))
    rewritten = marked.str.replace_many(list(_TAGS), list(_TAGS.values()), leftmost=True)
    return rows.with_columns(pl.coalesce(rewritten, column).alias(column))


def thought(reasoning: pl.Expr, answer: pl.Expr) -> pl.Expr:
    """A completion of reasoning and answer; null where one of them is."""
    return pl.concat_str(pl.lit("<think>\n"), reasoning, pl.lit("\n</think>\n\n"), answer)


def _given(text: pl.Expr) -> pl.Expr:
    """The text, or null where it is empty."""
    return pl.when(text.str.len_bytes() > 0).then(text)


_DOMAINS: Mapping[str, str] = {
    "mathematics": "math",
    "coding": "code",
    "programming": "code",
    "science": "stem",
    "biology": "stem",
    "chemistry": "stem",
    "physics": "stem",
    "puzzle": "logic",
    "crossword": "logic",
    "chat": "general",
    "safety": "general",
    "instruction following": "general",
    "instruction_following": "general",
}
"""Words of the datasets -> domains of DeepSeek-R1 (arXiv 2501.12948 v2, Table 5); others stay, in lower case."""


def _domain(column: str) -> Made:
    return Made(of={column: TEXT}, value=raw(column).str.to_lowercase().replace(_DOMAINS))


_TURN = pl.element().struct.field


def _chat(column: str) -> pl.Expr:
    turns = raw(column).list.drop_nulls()
    return turns.list.eval(pl.struct(_TURN("role"), _TURN("content")))


_ROLES: Mapping[str, str] = {"human": "user", "gpt": "assistant", "chatgpt": "assistant", "model": "assistant"}


def _without_analysis(column: str) -> pl.Expr:
    """Turns but for those of reasoning, which stand before what they lead to."""
    turns = raw(column).list.drop_nulls()
    kept = turns.list.eval(pl.element().filter(_TURN("channel").ne_missing("analysis")))
    return kept.list.eval(pl.struct(_TURN("role"), _TURN("content")))


def _analysis(column: str) -> pl.Expr:
    """The turn of reasoning before the last turn; null where there is none."""
    before = raw(column).list.drop_nulls().list.get(-2, null_on_oob=True).struct
    return pl.when(before.field("channel") == "analysis").then(before.field("content"))


def parts_chat(column: str) -> Made:
    """Turns whose contents are lists of texts; a content is null where it holds something else, such as a picture."""
    content = _TURN("content").list.eval(_TURN("text")).list.join("", ignore_nulls=False)
    chat = raw(column).list.drop_nulls().list.eval(pl.struct(_TURN("role"), content.alias("content")))
    return Made(of={column: PARTS_CHAT}, value=chat, is_list=True)


def _sharegpt(column: str) -> pl.Expr:
    turns = raw(column).list.drop_nulls()
    role = _TURN("from").replace(_ROLES).alias("role")
    return turns.list.eval(pl.struct(role, _TURN("value").alias("content")))


def turn_reasoning(conversation: Made, types: Mapping[str, pa.DataType]) -> Made | None:
    """The reasoning that stands in a turn beside its content, of the last turn; None where turns have none.

    Args:
        conversation: as it is made.
        types: of the columns of the shard.
    """
    column = list(conversation.of)[-1]
    fields = {item.name: item.type for item in types[column].value_type}
    name = next((name for name in TURN_REASONING if name in fields and TEXT.fits(fields[name])), None)
    if name is None:
        return None
    return Made(
        of={column: conversation.of[column]}, value=raw(column).list.drop_nulls().list.last().struct.field(name)
    )


TURN_REASONING = ("reasoning_content", "reasoning", "thinking")
"""As servers of models and the templates of gpt-oss name it."""

_MESSAGES = Made(of={"messages": CHAT}, value=_chat("messages"))
_CONVERSATIONS = Made(of={"conversations": SHAREGPT}, value=_sharegpt("conversations"))
_SHAREGPT_PARTS: Mapping[str, Made] = {CONVERSATION: _CONVERSATIONS, "domain": _domain("domain")}
_CHANNELS = lists("a list of {role, content, channel}", structs("", role=TEXT, content=TEXT, channel=TEXT))
_SYSTEM: Mapping[str, tuple[str, ...]] = {"system": ("system",)}

# A shard without programming tasks may have been written with no type for their tests.
_MAYBE = TEXT | NOTHING
_AM_TURNS = lists(
    "a list of {role, content, info {source, reference_answer, test_case}}",
    structs("", role=TEXT, content=TEXT, info=structs("", source=_MAYBE, reference_answer=_MAYBE, test_case=_MAYBE)),
)
_AM_TEXT_TURNS = lists("a list of {role, content, info}", structs("", role=TEXT, content=TEXT, info=TEXT))


def _asked() -> pl.Expr:
    """What stands with the question: the turn before the answer, or the last where there is none."""
    turns = raw("messages").list.drop_nulls()
    is_answered = turns.list.last().struct.field("role") == "assistant"
    place = pl.when(is_answered).then(-2).otherwise(-1)
    return turns.list.get(place, null_on_oob=True).struct.field("info")


def _am_parts(turns: Kind, told: Callable[[str], pl.Expr]) -> Mapping[str, Made]:
    """The parts of a conversation of AM.

    Args:
        turns: what ``messages`` is.
        told: the value of a field of the info that stands with the question.
    """
    source, tests = told("source"), _given(told("test_case"))
    domain = (
        pl.when(tests.is_not_null())
        .then(pl.lit("code"))
        .when(source.str.contains("(?i)math|openr1"))
        .then(pl.lit("math"))
        .when(source.str.contains("(?i)code|coding"))
        .then(pl.lit("code"))
        .when(source.str.contains("(?i)natural_?reasoning"))
        .then(pl.lit("stem"))
        .when(source.str.contains("(?i)infinity_?instruct"))
        .then(pl.lit("general"))
    )
    values = {
        "answer": _given(told("reference_answer")),
        "tests": pl.when(tests.is_not_null()).then(pl.struct(pl.struct(tests.alias("ground_truth")).alias("verl"))),
        "source": source,
        "domain": domain,
    }
    return {
        CONVERSATION: _MESSAGES,
        **{part: Made(of={"messages": turns}, value=value) for part, value in values.items()},
    }


_ASKED = pl.col(shared_name("asked"))

_JSON_TEXTS = r'\A\s*\[\s*("([^"\\\x00-\x1f]|\\["\\/bfnrt])*"\s*,\s*)*"([^"\\\x00-\x1f]|\\["\\/bfnrt])*"\s*\]\s*\z'
_JSON_TESTS = r'\A\s*\{\s*"(inputs|outputs|fn_name|call_type|assert_case|import_prefix|functional)"'
_VERL_TRUTH = raw("reward_model").struct.field("ground_truth").cast(pl.String)
_VERL_REWARD = structs("a struct with ground_truth, a text or a number", ground_truth=TEXT | NUMBER)


def _verl_answer() -> pl.Expr:
    """One answer, or the several of a JSON list; null where the truth is tests."""
    is_tests, is_list = (_VERL_TRUTH.str.contains(pattern) for pattern in (_JSON_TESTS, _JSON_TEXTS))
    several = pl.when(is_list).then(_VERL_TRUTH).str.json_decode(pl.List(pl.String))
    one = pl.when(~is_tests & ~is_list & (_VERL_TRUTH != "")).then(pl.concat_list(_VERL_TRUTH))
    return pl.coalesce(several, one)


def _verl_tests() -> pl.Expr:
    truth = pl.when(_VERL_TRUTH.str.contains(_JSON_TESTS)).then(_VERL_TRUTH)
    return pl.when(truth.is_not_null()).then(pl.struct(pl.struct(truth.alias("ground_truth")).alias("verl")))


_SYNTHETIC: Mapping[str, str] = {"verifiable_math": "math", "verifiable_code": "code"}
_SYNTHETIC_FIELDS = {"task_type": TEXT, "verification_info": TEXT, "metadata": TEXT}


def _synthetic_tests() -> pl.Expr:
    row = pl.struct(raw(name).alias(name) for name in ("verification_info", "metadata"))
    return pl.when(raw("task_type") == "verifiable_code").then(pl.struct(row.alias("primeintellect")))


_MIXTURE: Mapping[str, str] = {
    "open-r1/openr1-math-220k": "math",
    "open-r1/codeforces-cots": "code",
    "nvidia/llama-nemotron-post-training-dataset": "stem",
}

_RESPONSES = lists("a list of {response}", structs("", response=TEXT))
_DEEPMATH = ("r1_solution_1", "r1_solution_2", "r1_solution_3")
_TEST_SET = structs("a struct of lists input and output", input=TEXTS, output=TEXTS)
_SETS = ("public_tests", "private_tests", "generated_tests")


def _cots_tests() -> pl.Expr:
    """Tests of CodeContests, where a difference to their output is what counts; in the language of the answer."""
    row = pl.struct(
        *(raw(name).alias(name) for name in _SETS),
        raw("time_limit").alias("time_limit"),
        (raw("memory_limit") * (1 << 20)).cast(pl.Int64).alias("memory_limit_bytes"),
    )
    language = (
        pl.when(raw("generation").str.contains("```cpp", literal=True)).then(pl.lit("cpp")).otherwise(pl.lit("python"))
    )
    has_tests = pl.any_horizontal(raw(name).struct.field("input").list.len() > 0 for name in _SETS)
    is_exact = raw("problem_type") == "diff"
    return pl.when(has_tests & is_exact).then(pl.struct(row.alias("codecontests"), language.alias("program_language")))


_IS_CODE = raw("domain") == "code"
_METADATA_TESTS = pl.when(_IS_CODE & _given(raw("test_cases")).is_not_null()).then(
    pl.struct(
        pl.struct(raw("test_cases").alias("input_output"), raw("starter_code").alias("starter_code")).alias("apps")
    )
)

_SCHEMAS = (
    Schema(
        name="am-deepseek-r1-distilled",
        source="a-m-team/AM-DeepSeek-R1-Distilled-1.4M",
        has={"messages": _AM_TURNS},
        shared={"asked": _asked()},
        made=_am_parts(_AM_TURNS, lambda name: _ASKED.struct.field(name).cast(pl.String)),
    ),
    Schema(
        name="am-deepseek-r1-distilled-text",
        source="the same, with the info of each turn as JSON text",
        has={"messages": _AM_TEXT_TURNS},
        # What may hold an answer of its own is no info of AM.
        lacks=(*COMPLETIONS, "answer", "solution", "ground_truth", "source", "domain"),
        shared={"asked": _asked()},
        made=_am_parts(_AM_TEXT_TURNS, lambda name: _ASKED.str.json_path_match(f"$.{name}")),
    ),
    Schema(
        name="openr1-math",
        source="open-r1/OpenR1-Math-220k",
        has={
            "problem": TEXT,
            "answer": TEXT,
            "generations": TEXTS,
            "correctness_math_verify": FLAGS,
            "problem_type": TEXT,
        },
        lacks=tuple(name for name in COMPLETIONS if name != "generations"),
        columns={"prompt": ("problem",), "completions": ("generations",), "id": ("uuid",)},
        made={
            # NuminaMath 1.5, where the problems come from, writes these where there is no final answer.
            "answer": Made(
                of={"answer": TEXT}, value=pl.when(~raw("answer").is_in(["", "proof", "notfound"])).then(raw("answer"))
            ),
            "domain": Made(
                of={"problem_type": TEXT},
                value=pl.when(raw("problem_type") == "Logic and Puzzles")
                .then(pl.lit("logic"))
                .otherwise(pl.lit("math")),
            ),
        },
        without=("tests",),
    ),
    Schema(
        name="s1k-1.1",
        source="simplescaling/s1K-1.1",
        has={"question": TEXT, "deepseek_thinking_trajectory": TEXT, "deepseek_attempt": TEXT},
        columns={"prompt": ("question",), "answer": ("solution",), "source": ("source_type",)},
        made={
            "completions": Made(
                of={"deepseek_thinking_trajectory": TEXT, "deepseek_attempt": TEXT},
                value=thought(raw("deepseek_thinking_trajectory"), raw("deepseek_attempt")),
            ),
            "domain": _domain("cot_type"),
        },
    ),
    Schema(
        name="s1k",
        source="simplescaling/s1K",
        has={"question": TEXT, "thinking_trajectories": TEXTS, "attempt": TEXT},
        columns={"prompt": ("question",), "answer": ("solution",), "source": ("source_type",)},
        made={
            "completions": Made(
                of={"thinking_trajectories": TEXTS, "attempt": TEXT},
                value=thought(
                    pl.when(raw("thinking_trajectories").list.drop_nulls().list.len() > 0).then(
                        raw("thinking_trajectories").list.join("\n")
                    ),
                    raw("attempt"),
                ),
            ),
            "domain": _domain("cot_type"),
        },
    ),
    Schema(
        name="openthoughts-metadata",
        source="open-thoughts/OpenThoughts-114k, metadata",
        has={
            "problem": TEXT,
            "deepseek_reasoning": TEXT,
            "deepseek_solution": TEXT,
            "ground_truth_solution": TEXT,
            "domain": TEXT,
        },
        columns={"prompt": ("problem",)},
        made={
            "completions": Made(
                of={"deepseek_reasoning": TEXT, "deepseek_solution": TEXT},
                value=thought(raw("deepseek_reasoning"), raw("deepseek_solution")),
            ),
            # Of a programming task it is a program.
            "answer": Made(
                of={"ground_truth_solution": TEXT, "domain": TEXT},
                value=pl.when(~_IS_CODE.fill_null(value=False)).then(_given(raw("ground_truth_solution"))),
            ),
            "tests": Made(of={"test_cases": TEXT, "starter_code": TEXT, "domain": TEXT}, value=_METADATA_TESTS),
            "domain": _domain("domain"),
        },
    ),
    Schema(
        name="leetcode",
        source="newfacade/LeetCodeDataset",
        has={"task_id": TEXT, "problem_description": TEXT, "entry_point": TEXT, "test": TEXT},
        lacks=(),
        # Its ``completion`` is the bare program of the dataset, and ``response`` an answer to the prompt.
        columns={
            "prompt": ("query", "problem_description"),
            "completions": tuple(name for name in COMPLETIONS if name != "completion"),
            "id": ("task_id",),
        },
        format="leetcode",
    ),
    Schema(
        name="codeforces-cots",
        source="open-r1/codeforces-cots",
        has={"contest_id": TEXT, "prompt": TEXT, "generation": TEXT, "finish_reason": TEXT},
        # A problem has several rows, so its id names the group.
        columns={"prompt": ("prompt",), "completions": ("generation",), "group_id": ("id",)},
        made={
            "tests": Made(
                of={
                    **dict.fromkeys(_SETS, _TEST_SET),
                    "time_limit": NUMBER,
                    "memory_limit": NUMBER,
                    "problem_type": TEXT,
                    "generation": TEXT,
                },
                value=_cots_tests(),
            ),
            "domain": Made(of={}, value=pl.lit("code")),
        },
        without=("id", "answer"),
    ),
    Schema(
        name="codeforces",
        source="open-r1/codeforces, with completions",
        has={
            "contest_id": TEXT,
            "official_tests": lists("a list of {input, output}", structs("", input=TEXT, output=TEXT)),
            "official_tests_complete": FLAG,
        },
        lacks=(),
        format="codeforces",
    ),
    Schema(
        name="llama-nemotron",
        source="nvidia/Llama-Nemotron-Post-Training-Dataset",
        has={"input": CHAT | TEXT, "output": TEXT, "category": TEXT, "reasoning": TEXT, "generator": TEXT},
        columns={"prompt": ("input",), "completions": ("output",), "system": ("system_prompt",)},
        made={"domain": _domain("category")},
    ),
    Schema(
        name="nemotron-post-training",
        source="nvidia/Nemotron-Post-Training-Dataset-v1 and -v2",
        has={"messages": CHAT, "category": TEXT, "generator": TEXT, "reasoning": TEXT},
        made={CONVERSATION: _MESSAGES, "domain": _domain("category")},
    ),
    Schema(
        name="verl",
        source="rows of verl with completions: DAPO-Math-17k, Skywork-OR1-RL-Data, Eurus-2-RL-Data",
        has={"data_source": TEXT, "prompt": CHAT | TEXT, "reward_model": _VERL_REWARD},
        lacks=(),
        made={
            "answer": Made(of={"reward_model": _VERL_REWARD}, value=_verl_answer()),
            "tests": Made(of={"reward_model": _VERL_REWARD}, value=_verl_tests()),
            "domain": _domain("ability"),
        },
    ),
    Schema(
        name="synthetic",
        source="PrimeIntellect/SYNTHETIC-1, SYNTHETIC-2",
        has={"prompt": TEXT, **_SYNTHETIC_FIELDS},
        lacks=(),
        columns={"completions": (*COMPLETIONS, "llm_response"), "id": ("response_id",)},
        made={
            "answer": Made(
                of=_SYNTHETIC_FIELDS,
                value=pl.when(raw("task_type") == "verifiable_math").then(
                    raw("verification_info").str.json_path_match("$.ground_truth")
                ),
            ),
            "tests": Made(of=_SYNTHETIC_FIELDS, value=_synthetic_tests()),
            "domain": Made(of=_SYNTHETIC_FIELDS, value=raw("task_type").replace(_SYNTHETIC)),
        },
    ),
    Schema(
        name="natural-reasoning",
        source="facebook/natural_reasoning",
        has={"question": TEXT, "reference_answer": TEXT, "responses": _RESPONSES},
        lacks=tuple(name for name in COMPLETIONS if name != "responses"),
        columns={"prompt": ("question",)},
        made={
            "completions": Made(
                of={"responses": _RESPONSES}, value=raw("responses").list.eval(_TURN("response")), is_list=True
            ),
            "answer": Made(of={"reference_answer": TEXT}, value=_given(raw("reference_answer"))),
            "domain": Made(of={}, value=pl.lit("stem")),
        },
    ),
    Schema(
        name="deepmath",
        source="zwhe99/DeepMath-103K",
        has={"question": TEXT, "final_answer": TEXT, **dict.fromkeys(_DEEPMATH, TEXT)},
        columns={"prompt": ("question",), "answer": ("final_answer",)},
        made={
            "completions": Made(
                of=dict.fromkeys(_DEEPMATH, TEXT), value=pl.concat_list(map(raw, _DEEPMATH)), is_list=True
            ),
            "domain": Made(of={}, value=pl.lit("math")),
        },
    ),
    Schema(
        name="opencodereasoning",
        source="nvidia/OpenCodeReasoning",
        has={"input": TEXT, "output": TEXT, "solution": TEXT, "source": TEXT, "dataset": TEXT, "difficulty": TEXT},
        columns={"prompt": ("input",), "completions": ("output",)},
        made={"domain": Made(of={}, value=pl.lit("code"))},
        # Its solution is a program.
        without=("answer",),
    ),
    Schema(
        name="alpaca",
        source="tatsu-lab/alpaca, and all that is written like it",
        has={"instruction": TEXT, "input": TEXT, "output": TEXT},
        lacks=(*COMPLETIONS, "prompt", "problem", "question", "messages"),
        columns={"completions": ("output",), **_SYSTEM},
        made={
            "prompt": Made(
                of={"instruction": TEXT, "input": TEXT},
                value=pl.when(raw("input").str.strip_chars() != "")
                .then(pl.concat_str(raw("instruction"), pl.lit("\n\n"), raw("input")))
                .otherwise(raw("instruction")),
            )
        },
    ),
    Schema(
        name="prompt-completion",
        source="conversational rows of TRL and of verifiers: the turns of the prompt, and those that answer it",
        has={"prompt": CHAT, "completion": CHAT},
        lacks=tuple(name for name in COMPLETIONS if name != "completion"),
        made={
            CONVERSATION: Made(
                of={"prompt": CHAT, "completion": CHAT}, value=pl.concat_list(_chat("prompt"), _chat("completion"))
            )
        },
        without=("completions",),
    ),
    Schema(
        name="mixture-of-thoughts",
        source="open-r1/Mixture-of-Thoughts",
        has={"messages": CHAT, "num_tokens": WHOLE, "source": TEXT},
        made={
            CONVERSATION: _MESSAGES,
            "domain": Made(
                of={"source": TEXT}, value=raw("source").str.to_lowercase().replace_strict(_MIXTURE, default=None)
            ),
        },
    ),
    Schema(
        name="openthoughts",
        source="open-thoughts/OpenThoughts-114k; bespokelabs/Bespoke-Stratos-17k; NovaSky-AI/Sky-T1_data_17k",
        has={"conversations": SHAREGPT, "system": TEXT},
        columns=_SYSTEM,
        made=_SHAREGPT_PARTS,
        has_markup=True,
    ),
    Schema(
        name="openthoughts2",
        source="open-thoughts/OpenThoughts2-1M",
        has={"conversations": SHAREGPT, "question": TEXT, "source": TEXT},
        made=_SHAREGPT_PARTS,
        has_markup=True,
    ),
    Schema(
        name="openthoughts3",
        source="open-thoughts/OpenThoughts3-1.2M",
        has={"conversations": SHAREGPT, "difficulty": NUMBER, "domain": TEXT},
        made=_SHAREGPT_PARTS,
        has_markup=True,
    ),
    Schema(
        name="sharegpt",
        source="any other list of {from, value} that holds prompt and completion",
        has={"conversations": SHAREGPT},
        columns=_SYSTEM,
        made=_SHAREGPT_PARTS,
        has_markup=True,
    ),
    Schema(
        name="harmony",
        source="conversations of gpt-oss, with a turn of its own for the reasoning",
        has={"messages": _CHANNELS},
        made={
            CONVERSATION: Made(of={"messages": _CHANNELS}, value=_without_analysis("messages")),
            "reasoning": Made(of={"messages": _CHANNELS}, value=_analysis("messages")),
        },
    ),
    *(
        Schema(
            name=name,
            source=f"{{role, content}} under the name {name}",
            has={name: CHAT},
            made={CONVERSATION: Made(of={name: CHAT}, value=_chat(name)), "domain": _domain("domain")},
            has_markup=True,
        )
        for name in ("conversations", "conversation")
    ),
    Schema(
        name="messages",
        source="any other list of {role, content} that holds prompt and completion",
        has={"messages": CHAT},
        made={CONVERSATION: _MESSAGES},
        has_markup=True,
    ),
    Schema(
        name="messages-of-parts",
        source="the same with contents of {type, text}, a list each",
        has={"messages": PARTS_CHAT},
        made={CONVERSATION: parts_chat("messages")},
        has_markup=True,
    ),
)

SCHEMAS: Mapping[str, Schema] = {one.name: one for one in _SCHEMAS}
"""Name -> schema, in the order in which they are tried."""
