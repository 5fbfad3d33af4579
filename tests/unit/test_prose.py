from collections import Counter

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from verifier.text import prose as module
from verifier.text.prose import prose
from verifier.text.scripts import Script, words

PIECES = [
    *(
        "```",
        "```python\n",
        "~~~\n",
        "`",
        "``",
        "$",
        "$$",
        "\\(",
        "\\)",
        "\\[",
        "\\]",
        "\\text{",
        "{",
        "}",
        "\\begin{align}",
    ),
    *(
        "\\end{align}",
        "\\begin{verbatim}",
        "\\end{verbatim}",
        "<",
        ">",
        "<b>",
        "</think>",
        "https://a.b/c",
        "#",
        "//",
        '"',
    ),
    *(
        "'",
        '"""',
        "\n",
        "\n\n",
        " ",
        "word",
        "the answer is two",
        "x = 1",
        "中文",
        "привет",
        "\\",
        "\\foo",
        "5",
        "=",
        "(",
    ),
]
SOUP = st.lists(st.sampled_from(PIECES), max_size=30).map("".join)


def read(text: str) -> list[str]:
    return [word.text for word in words(prose(text))]


@settings(deadline=None)
@given(text=SOUP | st.text())
def test_any_text_can_be_read(text: str) -> None:
    prose(text)


@settings(deadline=None)
@given(text=SOUP)
@example(text="\\begin{verbatim}```中文\\end{verbatim}")
@example(text="$\\привет$")
def test_letters_foreign_to_code_are_read_wherever_they_stand(text: str) -> None:
    def foreign(part: str) -> str:
        return "".join(word.text for word in words(part) if word.script in (Script.HAN, Script.CYRILLIC))

    # More of them where what was set aside stood between look-alike letters of one word.
    assert not Counter(foreign(text)) - Counter(foreign(prose(text)))


@settings(deadline=None)
@given(text=st.lists(st.sampled_from(["one", "two", ",", ".", " ", "\n", "3"]), max_size=30).map("".join))
def test_plain_text_is_left_as_it_is(text: str) -> None:
    assert prose(text) == text


SET_ASIDE = {
    "inline mathematics": "$abc + de = \\frac{fg}{hi}$",
    "display mathematics": "$$\\sum ab = cd$$",
    "parentheses of LaTeX": "\\(ab \\leq cd\\)",
    "brackets of LaTeX": "\\[ab \\to cd\\]",
    "an environment": "\\begin{align*} ab &= cd \\\\ \\end{align*}",
    "commands outside mathematics": "\\alpha \\cdot \\frac{3}{4}",
    "inline code": "`foo_bar(baz)`",
    "inline code with two backticks": "``foo ` bar``",
    "a fence": "```python\nfoo = bar(baz)\nfor item in items:\n    total += item\n```",
    "a fence of tildes": "~~~\nfoo = bar\n~~~",
    "an indented fence": "  ```\n  foo = bar\n  ```",
    "imports": "```python\nimport numpy as np\nfrom collections import Counter, deque, defaultdict\n```",
    "declarations": "```cpp\npublic static void main(String[] args);\nunsigned long long total;\n```",
    "a comprehension": "```python\nnew = [key for key in counts if key not in seen]\n```",
    "a preprocessor line": "```cpp\n#include <vector>\n```",
    "a short string": '```python\nmode = "utf"\n```',
    "a URL": "https://example.com/some/path?query=text",
    "a URL without a scheme": "www.example.com/some/path",
    "a tag": "<think>",
    "a tag with an attribute": '<a href="x">',
    "a token of a chat template": "<|im_start|>",
}


@pytest.mark.parametrize("text", SET_ASIDE.values(), ids=SET_ASIDE)
def test_what_is_no_language_is_set_aside(text: str) -> None:
    assert read(f"Before it\n{text}\nand after") == ["Before", "it", "and", "after"]


READ = {
    "the argument of text": ("$a \\text{ if and only if } b$", "if and only if"),
    "the argument of mathrm": ("$\\mathrm{number} = 3$", "number"),
    "the argument of mbox": ("$x \\mbox{ otherwise }$", "otherwise"),
    "text in an environment": ("\\begin{cases} 1 & \\text{when even} \\end{cases}", "when even"),
    "text nested in braces": ("$\\text{where {every} part}$", "where every part"),
    "a formula inside text": ("$\\text{if $ab$ holds}$", "if holds"),
    "a text that never closes": ("$\\text{the rest$", "the rest"),
    "words in a row in a formula": ("$$the answer is forty two$$", "the answer is forty two"),
    "words between spaces of LaTeX": ("$the\\ answer~is\\,forty\\quad two$", "the answer is forty two"),
    "commands that do not exist": ("\\the \\answer \\is", "the answer is"),
    "commands that do not exist in a formula": ("$\\take \\another \\apple$", "take another apple"),
    "a comment": ("```python\nx = 1  # base case\n```", "base case"),
    "a comment with slashes": ("```cpp\nint x = 1;  // base case\n```", "base case"),
    "a block comment": ("```c\nint x; /* base case */\n```", "base case"),
    "a docstring": ('```python\ndef f():\n    """Find the way."""\n```', "Find the way"),
    "a docstring of several lines": (
        '```python\ndef f():\n    """\n    Find some other way\n    """\n```',
        "Find some other way",
    ),
    "a string": ('```python\nprint("forty two")\n```', "forty two"),
    "many short strings": ('```python\nx = ["the", "right", "answer"]\n```', "the right answer"),
    "prose between lines of code": ("```\nx = 1\nwe then add both numbers\n```", "we then add both numbers"),
    "one word a line between lines of code": ("```\nx = 1\nwe\nthen\nadd\nnumbers\n```", "we then add numbers"),
    "a fence that holds prose": ("```\nYes.\nWe add.\n```", "Yes We add"),
    "a fence that holds prose with a language": ("```text\nWe add.\n```", "We add"),
    "the information of a fence": ("```we add both numbers here\nx = 1\n```", "we add both numbers here"),
    "a fence that never closes": ("```\nWe add numbers.", "We add numbers"),
    "inline code that is prose": ("`the answer is two`", "the answer is two"),
    "each word in code of its own": ("`the` `other` `answer`", "the other answer"),
    "a lone backtick": ("it`s fine", "it fine"),
    "a price": ("costs $5 and then $10 more", "costs and then more"),
    "an escaped dollar": ("costs \\$5 and \\$6", "costs and"),
    "an opener without a closer": ("see \\( here and \\[ there", "see here and there"),
    "a tag that does not exist": ("<the> <answer2> word", "the answer word"),
    "words inside a tag": ("<b we add both numbers>word</b>", "we add both numbers word"),
    "the end of a long URL": ("https://a.b/" + "x/" * 120 + " word", "word"),
    "the text of a markdown link": ("[the proof](https://a.b/c)", "the proof"),
    "verbatim prose": ("\\begin{verbatim}\nWe add.\n\\end{verbatim}", "We add"),
    "Chinese in code": ("```python\n总数 = 1\n```", "总数"),
    "Russian in inline code": ("`привет()`", "привет"),
    "Chinese in a formula": ("$面积 = \\pi r^2$", "面积"),
    "Chinese in a URL": ("https://a.b/苹果", "苹果"),
    "Chinese in a short string": ("```python\nx = '苹果'\n```", "苹果"),
    "Chinese in an unknown tag": ("<b 苹果>x</b>", "苹果"),
    "a formula in a comment": ("```python\nx = 1  # total is $ab + cd$ here\n```", "total is here"),
}


@pytest.mark.parametrize(("text", "expected"), READ.values(), ids=READ)
def test_no_language_hides_in_what_is_set_aside(text: str, expected: str) -> None:
    assert read(text) == expected.split()


def test_a_fence_closes_only_with_its_own_kind() -> None:
    assert read("````\nfoo = bar\n```\nfoo = baz\n````\nafter") == ["after"]


def test_mathematics_does_not_reach_over_a_paragraph() -> None:
    assert read("a $ sign\n\nanother $ sign") == ["sign", "another", "sign"]


@pytest.mark.parametrize("piece", [*PIECES, "\\(\\[", "` `` ", "$\\text{", "```\nx=1\n", "\\begin{verbatim}\"'"])
def test_the_work_grows_with_the_length_and_not_its_square(piece: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Counts the constructs looked at; each search is bounded or remembered."""
    steps = 0
    special = module._Scan._special

    def counting(scan: module._Scan, start: int) -> object:
        nonlocal steps
        steps += 1
        return special(scan, start)

    monkeypatch.setattr(module._Scan, "_special", counting)
    small = 2_000
    prose(piece * small)
    once, steps = steps, 0
    prose(piece * (4 * small))
    assert steps <= 4 * once + 8


def test_nested_code_ends() -> None:
    text = "x = 1\n"
    for depth in range(200):
        text = f"```\ny = '{text}'\n\\begin{{verbatim}}\n{text}\n\\end{{verbatim}}\n```" if depth < 5 else f"`{text}`"
    prose(text)
