"""Named converters from the rows of public datasets to references, and the product's own JSON.

``verifier score --format NAME`` and ``format = "NAME"`` in a recipe of ``curate`` use the same table. To add a format:
a function that reads a row, in a module of its dataset's family, and its entry in ``FORMATS``.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from verifier.errors import UnknownNameError
from verifier.formats.apps import read_apps, read_rllm, read_taco, read_verl
from verifier.formats.base import Format, Task
from verifier.formats.codecontests import read_codecontests
from verifier.formats.codeforces import read_codeforces, read_codeforces_incomplete
from verifier.formats.humaneval import read_humaneval, read_humanevalplus
from verifier.formats.humanevalpack import read_humanevalpack
from verifier.formats.kodcode import read_kodcode
from verifier.formats.leetcode import read_leetcode
from verifier.formats.livecodebench import read_livecodebench
from verifier.formats.mbpp import read_acecode, read_mbpp, read_mbppplus
from verifier.formats.primeintellect import read_primeintellect
from verifier.formats.programs import as_answer

_CODEFORCES = (
    "official_tests",
    "[official_tests_complete]",
    "[examples]",
    "[generated_checker]",
    "[interaction_format]",
    "[input_mode]",
    "[time_limit]",
    "[memory_limit]",
    "[language]",
)
_PACK = (
    "task_id",
    "declaration",
    "test",
    "[prompt]",
    "[test_setup]",
    "[import]",
    "[entry_point]",
    "[canonical_solution]",
)

_FORMATS = (
    Format(
        name="humaneval",
        source="openai/human-eval",
        fields=("prompt", "entry_point", "test", "[canonical_solution]"),
        read=read_humaneval,
    ),
    Format(
        name="humanevalplus",
        source="evalplus/humanevalplus; HumanEvalPlus.jsonl of EvalPlus",
        fields=("prompt", "entry_point", "[test]", "[base_input]", "[plus_input]", "[atol]", "[canonical_solution]"),
        read=read_humanevalplus,
    ),
    Format(name="humanevalpack", source="bigcode/humanevalpack", fields=_PACK, read=read_humanevalpack),
    Format(name="humaneval-x", source="THUDM/humaneval-x", fields=_PACK, read=read_humanevalpack),
    Format(
        name="mbpp",
        source="google-research-datasets/mbpp, full and sanitized",
        fields=("test_list", "[test_setup_code]", "[test_imports]", "[challenge_test_list]", "[code]"),
        read=read_mbpp,
        prompts=("prompt", "text"),
        id_prefixes=("Mbpp/", "MBPP/"),
    ),
    Format(
        name="mbppplus",
        source="evalplus/mbppplus",
        fields=(
            "test",
            "[test_imports]",
            "[test_list]",
            "[entry_point]",
            "[code]",
            "[canonical_solution]",
            "[plus_input]",
        ),
        read=read_mbppplus,
        id_prefixes=("Mbpp/", "MBPP/"),
    ),
    Format(
        name="leetcode",
        source="newfacade/LeetCodeDataset",
        fields=("entry_point", "test", "[prompt]", "[completion]"),
        read=read_leetcode,
        prompts=("query", "problem_description"),
    ),
    Format(
        name="apps",
        source="codeparrot/apps",
        fields=("input_output", "[starter_code]", "[solutions]"),
        read=read_apps,
        ids=("task_id", "id", "problem_id"),
        prompts=("question",),
    ),
    Format(
        name="taco",
        source="BAAI/TACO",
        fields=("input_output", "[starter_code]", "[time_limit]", "[memory_limit]", "[solutions]"),
        read=read_taco,
        prompts=("question",),
    ),
    Format(
        name="codecontests",
        source="deepmind/code_contests",
        fields=(
            "[public_tests]",
            "[private_tests]",
            "[generated_tests]",
            "[time_limit]",
            "[memory_limit_bytes]",
            "[input_file]",
            "[output_file]",
            "[solutions]",
        ),
        read=read_codecontests,
        ids=("task_id", "id", "name"),
        prompts=("description",),
    ),
    Format(
        name="livecodebench",
        source="livecodebench/code_generation, code_generation_lite",
        fields=("[public_test_cases]", "[private_test_cases]", "[metadata]", "[starter_code]"),
        read=read_livecodebench,
        ids=("task_id", "id", "question_id"),
        prompts=("question_content",),
    ),
    Format(
        name="codeforces",
        source="open-r1/codeforces",
        fields=_CODEFORCES,
        read=read_codeforces,
        prompts=("prompt", "description"),
    ),
    Format(
        name="codeforces-incomplete",
        source="open-r1/codeforces, also rows whose official tests are not complete",
        fields=_CODEFORCES,
        read=read_codeforces_incomplete,
        prompts=("prompt", "description"),
    ),
    Format(
        name="primeintellect",
        source="open-r1/verifiable-coding-problems-python; PrimeIntellect/SYNTHETIC-1",
        fields=("verification_info", "[metadata]", "[gold_standard_solution]"),
        read=read_primeintellect,
        ids=("task_id", "id", "problem_id"),
        prompts=("prompt", "problem_statement"),
    ),
    Format(
        name="verl",
        source="rows of verl; PRIME-RL/Eurus-2-RL-Data",
        fields=("[reward_model]", "[ground_truth]"),
        read=read_verl,
    ),
    Format(
        name="rllm",
        source="rows of rLLM; agentica-org/DeepCoder-Preview-Dataset",
        fields=("tests", "[metadata]", "[starter_code]"),
        read=read_rllm,
        prompts=("prompt", "problem", "question"),
    ),
    Format(
        name="kodcode",
        source="KodCode/KodCode-V1",
        fields=("test", "[test_info]", "[solution]"),
        read=read_kodcode,
        ids=("task_id", "id", "question_id"),
        prompts=("question",),
    ),
    Format(
        name="acecode",
        source="TIGER-Lab/AceCode-87K",
        fields=("test_cases",),
        read=read_acecode,
        prompts=("question",),
    ),
)

FORMATS: Mapping[str, Format] = MappingProxyType({one.name: one for one in _FORMATS})
"""Name -> format."""


def find_format(name: str) -> Format:
    """The format of this name.

    Raises:
        UnknownNameError: there is none.
    """
    if name not in FORMATS:
        raise UnknownNameError("format", name, tuple(FORMATS))
    return FORMATS[name]


__all__ = ["FORMATS", "Format", "Task", "as_answer", "find_format"]
