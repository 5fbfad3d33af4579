"""Makes ``examples/shards/*.parquet``, in the three shapes that ``curate`` reads.

    python examples/make_shards.py ZEROEVAL_GSM.parquet

The real part is a sample of WildEval/ZeroEval (Apache-2.0, commit 8c1485e, ``result_dirs/gsm``): responses of real
models to GSM8K problems. They are JSON bodies with a reasoning and an answer, and are rebuilt here as
``<think>reasoning</think>`` and a boxed answer; right and wrong ones alike. The planted part is written by hand, at
least one sample for each reason to be dropped, and a few programs.

``math_lists.parquet`` has one row a prompt, ``math_rows.parquet`` one row a completion, ``planted.parquet`` chats,
Chinese, code with tests, and what must be dropped.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

OUT = Path(__file__).parent / "shards"
PROMPTS = 140
SAMPLES = 4
WEAKER = (
    "Meta-Llama-3-8B-Instruct",
    "Mixtral-8x7B-Instruct-v0.1",
    "Qwen2-7B-Instruct",
    "claude-3-haiku-20240307",
    "command-r",
    "gemma-2-2b-it",
    "gpt-3.5-turbo-0125",
)
"""Models that are often wrong; half of each group comes from them, so that a group has something to reject."""

INSTRUCTION = "\n\nReason step by step, and put your final answer within \\boxed{}."


def rebuilt(response: str) -> str | None:
    """A response as reasoning and a boxed answer; None where it is not the JSON body that was asked for."""
    first, last = response.find("{"), response.rfind("}")
    try:
        body = json.loads(response[first : last + 1], strict=False)
    except ValueError:
        return None
    reasoning, answer = body.get("reasoning"), body.get("answer")
    if not isinstance(reasoning, str) or not isinstance(answer, str | int | float) or not reasoning.strip():
        return None
    boxed = str(answer).strip().lstrip("$").replace("$", "\\$").replace("%", "\\%")
    return f"<think>\n{reasoning.strip()}\n</think>\n\nThe answer is \\boxed{{{boxed}}}."


def order(*parts: str) -> str:
    """A fixed order that looks like chance."""
    return hashlib.sha256("/".join(parts).encode()).hexdigest()


def real_groups(source: Path) -> Iterator[dict[str, object]]:
    """Problems with four responses each, two of them by weaker models."""
    frame = pl.read_parquet(source)
    chosen = sorted(frame["prompt_id"].unique().to_list(), key=order)[:PROMPTS]
    rows = frame.filter(pl.col("prompt_id").is_in(chosen)).to_dicts()
    for prompt_id in chosen:
        of_prompt = [row for row in rows if row["prompt_id"] == prompt_id and rebuilt(row["response"]) is not None]
        of_prompt.sort(key=lambda row: order(row["prompt_id"], row["generator"]))
        weaker = [row for row in of_prompt if row["generator"] in WEAKER][: SAMPLES // 2]
        others = [row for row in of_prompt if row["generator"] not in WEAKER][: SAMPLES - len(weaker)]
        yield {
            "id": prompt_id.rpartition("#")[2],
            "problem": of_prompt[0]["problem"] + INSTRUCTION,
            "answer": of_prompt[0]["answer"].removeprefix("#").strip().replace(",", ""),
            "completions": [rebuilt(row["response"]) for row in weaker + others],
            "generators": [row["generator"] for row in weaker + others],
        }


def write(name: str, rows: list[dict[str, object]], schema: pa.Schema) -> None:
    """Writes one shard."""
    OUT.mkdir(exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), OUT / name, compression="zstd", row_group_size=64)
    print(f"{name}: {len(rows)} rows, {(OUT / name).stat().st_size:,} bytes")


def think(reasoning: str, answer: str) -> str:
    """A completion in R1's form."""
    return f"<think>\n{reasoning}\n</think>\n\n{answer}"


def boxed(value: str) -> str:
    """A last line with a boxed answer."""
    return f"The answer is \\boxed{{{value}}}."


def math_row(key: str, prompt: str, answer: str | None, *completions: str | None) -> dict[str, object]:
    """A planted row with a gold answer."""
    return {"id": key, "messages": chat(prompt + INSTRUCTION), "answer": answer, "completions": list(completions)}


def chat(content: str) -> list[dict[str, str]]:
    """A prompt as messages."""
    return [{"role": "user", "content": content}]


def code_row(key: str, prompt: str, tests: dict[str, object], *completions: str) -> dict[str, object]:
    """A planted row with tests."""
    row: dict[str, object] = {"id": key, "messages": chat(prompt), "completions": list(completions), "domain": "code"}
    return row | {"tests": json.dumps({"code": {"language": "python", **tests}})}


def program(source: str) -> str:
    """A fenced program."""
    return f"```python\n{source}\n```"


def planted() -> list[dict[str, object]]:
    """Rows written by hand; the id says what they show."""
    sum_ok = think("I add 17 and 25.\n\n17 + 25 = 42.", boxed("42"))
    return [
        math_row(
            "wrong-and-duplicate",
            "What is 17 + 25?",
            "42",
            sum_ok,
            sum_ok,
            think("17 + 25 = 32, I forgot to carry.", boxed("32")),
            think("17 + 25. Take 17 + 20 = 37, then 37 + 5 = 42.", boxed("42")),
        ),
        math_row(
            "mixed-languages",
            "What is 6 times 7?",
            "42",
            think("I multiply 六乘以七等于四十二 so the product is 42.", boxed("42")),
            think("Six sevens are forty-two.", boxed("42")),
            think("首先我们计算六乘以七。结果是四十二。", boxed("42")),
            think("6 * 7 = 42.", boxed("42")),
        ),
        math_row(
            "chinese",
            "小明有十二个苹果,吃了五个,还剩几个?",
            "7",
            think("小明原来有十二个苹果,吃掉五个,所以剩下 12 - 5 = 7 个。", "答案是 \\boxed{7}。"),
            think(
                "First we take twelve apples, then Xiaoming eats five of them, so seven apples are left.", boxed("7")
            ),
            think("十二减五等于六。", "答案是 \\boxed{6}。"),
            think("我们用减法:12 - 5。\n\n先减二得十,再减三得七。", "答案是 \\boxed{7}。"),
        ),
        math_row(
            "code-in-reasoning",
            "What is the sum of the first 10 positive integers?",
            "55",
            think("Let me run this:\n\n```python\nprint(sum(range(11)))\n```\n\nIt prints 55.", boxed("55")),
            think("n(n+1)/2 with n = 10 is 55.", boxed("55")),
            think(
                "Pairs of 11: five of them, 55.", "In Python:\n\n```python\nsum(range(1, 11))\n```\n\n" + boxed("55")
            ),
            think("10 * 10 / 2 = 50.", boxed("50")),
        ),
        math_row(
            "think-tags",
            "What is 9 squared?",
            "81",
            think("", boxed("81")),
            "<think>\nNine nines. That is 81, or is it? Let me check again, 9 * 9 =",
            "Nine squared is eighty-one. " + boxed("81"),
            "<think>\n9 * 9 = 81</think>\n<think>\nSure.</think>\n" + boxed("81"),
        ),
        math_row(
            "think-places",
            "What is 8 squared?",
            "64",
            "Well. <think>\n8 * 8 = 64</think>\n" + boxed("64"),
            "8 * 8 = 64</think>\n" + boxed("64"),
            "<think>\n8 * 8 = 64, so \\boxed{64}</think>\n",
            think("8 * 8 = 64.", boxed("64")),
        ),
        math_row(
            "long-paragraph",
            "What is 5 factorial?",
            "120",
            think("Five factorial is 120, let me say so again and again. " * 60, boxed("120")),
            think("5 * 4 = 20.\n\n20 * 3 = 60.\n\n60 * 2 = 120.", boxed("120")),
            "<think>\n5!\n</think>",
            "120",
        ),
        math_row("no-reference", "How are you?", None, think("The user greets me.", "I am well, thank you.")),
        math_row(
            "bad-reference", "What is 1 + 1?", "\\frac{1}{", think("1 + 1 = 2.", boxed("2")), think("One.", boxed("1"))
        ),
        {"id": "bad-tests", "messages": chat("Add."), "completions": [think("Add.", program("0"))], "tests": "{oops"},
        math_row("no-completions", "What is 3 + 4?", "7"),
        math_row("empty-completion", "What is 3 + 5?", "8", "", None, think("3 + 5 = 8.", boxed("8")), "  \n"),
        math_row("empty-prompt", "", "7", think("Nothing was asked.", boxed("7"))) | {"messages": chat("  ")},
        {"id": "null-prompt", "messages": None, "answer": "7", "completions": [think("?", boxed("7"))]},
        code_row(
            "code-stdio",
            "Read two integers on one line and print their sum.",
            {"stdio": [{"input": "1 2\n", "output": "3\n"}, {"input": "-5 7\n", "output": "2\n"}]},
            think("Read, split, add, print.", program("a, b = map(int, input().split())\nprint(a + b)")),
            think("Subtract? No, they want the sum.", program("a, b = map(int, input().split())\nprint(a - b)")),
            think("Sum of all numbers on the line.", program("print(sum(int(x) for x in input().split()))")),
            think("I shall not write a program.", "The sum is what you get by adding."),
        ),
        code_row(
            "code-calls",
            "Write a function add(a, b) that returns the sum.",
            {"entry_point": "add", "calls": [{"args": "[1, 2]", "expected": "3"}, {"args": "[0, 0]", "expected": "0"}]},
            think("Just add.", program("def add(a, b):\n    return a + b")),
            think("Always three.", program("def add(a, b):\n    return 3")),
            think("Loops for ever?", program("def add(a, b):\n    raise ValueError(a)")),
            think("sum() takes a list.", program("def add(a, b):\n    return sum([a, b])")),
        ),
        code_row(
            "code-script",
            "Write a function is_even(n).",
            {"entry_point": "is_even", "script": "assert is_even(4)\nassert not is_even(7)\nassert is_even(0)\n"},
            think("Remainder of a division by two.", program("def is_even(n):\n    return n % 2 == 0")),
            think("The last bit.", program("def is_even(n):\n    return not n & 1")),
            think("Positive and even?", program("def is_even(n):\n    return n > 0 and n % 2 == 0")),
            think("A typing slip.", program("def is_even(n)\n    return True")),
        ),
    ]


def main() -> None:
    """Writes the three shards."""
    if len(sys.argv) != 2:  # noqa: PLR2004 - one argument
        raise SystemExit(__doc__)
    groups = list(real_groups(Path(sys.argv[1])))
    text, texts = pa.string(), pa.list_(pa.string())
    lists = pa.schema(
        [("id", text), ("problem", text), ("answer", text), ("completions", texts), ("generators", texts)]
    )
    write("math_lists.parquet", groups[: PROMPTS // 2], lists)
    rows = [
        {"prompt_id": group["id"], "problem": group["problem"], "response": response, "solution": group["answer"]}
        for group in groups[PROMPTS // 2 :]
        for response in list(group["completions"])  # type: ignore[call-overload]  # a list of texts
    ]
    write("math_rows.parquet", rows, pa.schema([(name, text) for name in rows[0]]))
    messages = pa.list_(pa.struct([("role", text), ("content", text)]))
    chats = pa.schema(
        [
            ("id", text),
            ("messages", messages),
            ("completions", texts),
            ("answer", text),
            ("tests", text),
            ("domain", text),
        ]
    )
    write("planted.parquet", planted(), chats)


if __name__ == "__main__":
    main()
