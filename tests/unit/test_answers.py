"""Extraction of the final answer: what it finds, what it refuses, and that no text makes it raise or crawl."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifier.text.answers import AnswerKind, boxes, find_answer, is_blank, only_box

PIECES = st.sampled_from(
    (
        *("\\boxed{", "\\boxed", "\\fbox {", "{", "}", "\\{", "\\}", "\\", "$", "$$", "\\(", "\\]", "<answer>"),
        *("</answer>", "the answer is ", "Final answer: ", "答案是", "故选", "42", "\\frac12", "x", " ", "\n"),
        *("．", "。", ". ", "**", "\ud800"),
    )
)
SOUP = st.lists(PIECES, max_size=40).map("".join)


@given(SOUP)
def test_any_text_gives_an_answer_or_a_reason(text: str) -> None:
    found = find_answer(text)
    assert (found.kind is AnswerKind.NONE) == bool(found.reason) == (not found.texts)


@given(SOUP, st.text("0123456789abc+-^_ ", min_size=1).filter(lambda text: not is_blank(text)))
def test_a_box_at_the_end_is_always_among_the_answers(text: str, answer: str) -> None:
    found = find_answer(text.replace("answer>", "") + "\n\\boxed{" + answer + "}")
    contents, _ = boxes("\\boxed{" + answer + "}")
    assert contents[0] in found.texts or found.kind is AnswerKind.NONE or text.endswith("\\")


@given(
    st.recursive(
        st.text("ab1", max_size=3), lambda inner: st.lists(inner, max_size=3).map(lambda p: "{" + "".join(p) + "}")
    )
)
def test_braces_within_a_box_are_matched(content: str) -> None:
    assert boxes("\\boxed{" + content + "}") == ((content.strip(),), True)


@given(SOUP)
def test_an_unfinished_last_box_is_no_answer(text: str) -> None:
    found = find_answer(text.replace("answer>", "").rstrip("\\") + " \\boxed{42 and more")
    assert found.reason == "no_answer"


LEADS = st.sampled_from(
    (
        *("The answer is ", "So, the final answer is: ", "Therefore, the result is ", "Hence the answer is ", ""),
        *("**Final Answer**\n\n", "So the answer is not ", "We get ", "It is not true that the answer is "),
        *("Is the answer ", "The answer is 7 or ", "Thus the final answer is x = ", "wrong: the result is: "),
    )
)
WRAPS = st.sampled_from(
    (
        ("$", "$"),
        ("$$", "$$"),
        ("\\(", "\\)"),
        ("\\[\n", "\n\\]"),
        ("", ""),
        ("\\( 2 + ", "\\)"),
        ("(", ")"),
        ("$-", "$"),
    )
)
TAILS = st.sampled_from((".", "", " .\n", "。", "?", ", but that is wrong.", "\nNo, it is 5.", " or 6", "**", "\\\\"))
LINES = st.sampled_from(
    ("", "We add.\n", "It cannot be\n", "the answer is 5\n", "so x =\n", "\\boxed{5}\n", "not:\n\n")
)


@given(LINES, LEADS, WRAPS, st.sampled_from(("4", "-1/2", "\\frac{1}{2}", "x^2", "(1,2)", "yes")), TAILS)
def test_what_the_only_box_is_taken_for_is_what_a_search_finds(before, lead, wrap, content, tail) -> None:
    text = f"{before}{lead}{wrap[0]}\\boxed{{{content}}}{wrap[1]}{tail}"
    found = only_box(text)
    assert found is None or find_answer(text).texts == (found,)


@pytest.mark.parametrize("lead", ["So the answer is ", "Therefore, the final answer is ", "The result is: "])
@pytest.mark.parametrize("wrap", [("$", "$."), ("\\(", "\\)."), ("\\[\n", "\n\\]"), ("$$", "$$"), ("", "")])
def test_the_usual_ends_need_no_search(lead, wrap) -> None:
    assert only_box(f"We add.\n\n{lead}{wrap[0]}\\boxed{{4}}{wrap[1]}") == "4"


@pytest.mark.parametrize(
    ("text", "kind", "texts"),
    [
        ("\\boxed{\\frac{1}{2}}", AnswerKind.BOX, ("\\frac{1}{2}",)),
        ("\\boxed {5}", AnswerKind.BOX, ("5",)),
        ("\\boxed{\\{1,2\\}}", AnswerKind.BOX, ("\\{1,2\\}",)),
        ("\\boxed{\\left\\{1\\right.}", AnswerKind.BOX, ("\\left\\{1\\right.",)),
        ("\\boxed{1} and \\boxed{2} and \\boxed{1}", AnswerKind.BOX, ("1", "2")),
        ("put it in \\boxed{ first; so \\boxed{7}", AnswerKind.BOX, ("7",)),
        ("} } \\boxed{3}", AnswerKind.BOX, ("3",)),
        ("\\boxed{\\fbox{ \\boxed{5} }}", AnswerKind.BOX, ("5",)),
        ("\\boxed{\\boxed{1}+2}", AnswerKind.BOX, ("\\boxed{1}+2",)),
        ("\\boxed{ } then \\boxed{4}", AnswerKind.BOX, ("4",)),
        ("\\boxed{-\\infty}", AnswerKind.BOX, ("-\\infty",)),
        ("The answer is 42 apples. They are red.", AnswerKind.PHRASE, ("42 apples",)),
        ("the answer is 3.14", AnswerKind.PHRASE, ("3.14",)),
        ("Answer: $x=1$ or $x=2$", AnswerKind.PHRASE, ("x=1", "x=2")),
        ("Answer: 1\n\nAnswer: 2", AnswerKind.PHRASE, ("1", "2")),
        ("**Final Answer:** \\[\n5\n\\]", AnswerKind.PHRASE, ("5",)),
        ("Final Answer: The final answer is $7$. I hope it is correct.", AnswerKind.PHRASE, ("7",)),
        ("综上，答案为：12。", AnswerKind.PHRASE, ("12",)),
        ("<answer> \\boxed{5} </answer>", AnswerKind.TAG, ("5",)),
        ("<answer>5</answer> or \\boxed{6}", AnswerKind.TAG, ("6", "5")),
        ("<answer>The answer is 5.</answer>", AnswerKind.TAG, ("5",)),
        ("  $\\frac{1}{2}$ ", AnswerKind.BARE, ("\\frac{1}{2}",)),
        ("x+1", AnswerKind.BARE, ("x+1",)),
        ("B.", AnswerKind.BARE, ("B",)),
    ],
)
def test_the_answer_is_found(text: str, kind: AnswerKind, texts: tuple[str, ...]) -> None:
    found = find_answer(text)
    assert (found.kind, found.texts) == (kind, texts)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no_answer"),
        ("a plain sentence of prose", "no_answer"),
        ("\\boxed{1} then \\boxed{", "no_answer"),
        ("\\boxed{1} then \\boxed{}", "empty_answer"),
        ("\\boxed{\\text{ }}", "empty_answer"),
        ("\\boxed{\\quad ?}", "empty_answer"),
        ("\\boxed{\\underline{\\hspace}}", "empty_answer"),
        ("the answer is:", "empty_answer"),
        ("<answer></answer>", "empty_answer"),
        ("<answer>5", "no_answer"),
    ],
)
def test_no_answer_has_its_reason(text: str, reason: str) -> None:
    found = find_answer(text)
    assert (found.kind, found.reason) == (AnswerKind.NONE, reason)


def test_phrases_are_left_alone_where_a_box_is_asked_for() -> None:
    assert find_answer("The answer is 42.", accept_phrase=False).reason == "no_answer"
    assert find_answer("<answer>42</answer>", accept_phrase=False).texts == ("42",)


@pytest.mark.parametrize(
    "piece",
    [
        "\\boxed{",
        "{",
        "\\boxed{1}",
        "answer is ",
        "<answer>",
        "<answer>1</answer>",
        "\\boxed ",
        "$",
        "answer is $",
        "\\",
        "}{",
    ],
)
@pytest.mark.timeout(30)
def test_a_hostile_text_of_a_megabyte_takes_no_longer_than_its_length_deserves(piece: str) -> None:
    text = piece * (1_000_000 // len(piece))
    find_answer(text)
    find_answer(text + "\\boxed{1}")
