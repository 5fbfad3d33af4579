import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifier.text.tags import MAX_TAGS, TEMPLATES, Tail, Template, check, is_blank, prompt_opens, template_of_tags

REASONS = {
    "empty_answer",
    "empty_reasoning",
    "missing_tag",
    "nested_tag",
    "no_reasoning_tag",
    "reopened",
    "repeated_tag",
    "stray_closing",
    "text_after",
    "text_before_tag",
    "text_between",
    "too_many_tags",
    "unclosed_tag",
    "unopened_tag",
    "well_formed",
    "wrong_order",
}
PIECES = [
    *(f"<{slash}{name}>" for slash in ("", "/") for name in ("think", "answer", "thinking", "reflection", "output")),
    *("word", " ", "\n", "...", "<", ">", "</", "\u200b", "二", "<THINK>"),
]
SOUP = st.lists(st.sampled_from(PIECES), max_size=20).map("".join)
TEXTS = SOUP | st.text()
WORDS = st.from_regex(r"[a-z0-9 .\n]{0,30}[a-z][a-z0-9 .\n]{0,30}", fullmatch=True)


@given(text=TEXTS, template=st.sampled_from(sorted(TEMPLATES)), is_opened=st.booleans())
def test_any_text_gets_a_known_reason_and_never_an_exception(text, template, is_opened):
    assert check(text, TEMPLATES[template], is_opened=is_opened).reason in REASONS


@given(text=SOUP, template=st.sampled_from(sorted(TEMPLATES)))
def test_a_well_formed_text_has_each_section_tag_exactly_once(text, template):
    if check(text, TEMPLATES[template]).is_well_formed:
        for name in TEMPLATES[template].sections:
            assert text.count(f"<{name}>") == text.count(f"</{name}>") == 1


@given(reasoning=WORDS, answer=WORDS)
def test_whatever_is_put_between_the_tags_is_well_formed(reasoning, answer):
    assert check(f"<think>{reasoning}</think>{answer}", TEMPLATES["think"]).is_well_formed
    assert check(f"<think>{reasoning}</think><answer>{answer}</answer>", TEMPLATES["think-answer"]).is_well_formed


@given(text=SOUP)
def test_a_prompt_that_opens_and_a_completion_that_opens_are_the_same_text(text):
    template = TEMPLATES["think"]
    whole = check("<think>" + text, template).is_well_formed
    assert check(text, template, is_opened=True).is_well_formed == whole


@pytest.mark.parametrize("piece", ["<think>", "</think>", "<think></think>", "<", "<think", ".", "\u200b", "<think>a"])
def test_a_megabyte_of_one_piece_is_never_well_formed(piece):
    text = piece * (1_000_000 // len(piece))
    for template in TEMPLATES.values():
        assert not check(text, template).is_well_formed
        assert not check(text, template, is_opened=True).is_well_formed


def test_the_number_of_tags_is_bounded():
    text = "<thinking>a" + "<reflection>b</reflection>" * MAX_TAGS + "</thinking><output>c</output>"
    assert check(text, TEMPLATES["reflection"]).reason == "too_many_tags"


def test_the_detail_names_the_tag_and_where_it_stands():
    finding = check("<think>a</think>b<think>", TEMPLATES["think"])
    assert finding.detail == "<think> at character 17"


def test_no_text_is_read_twice():
    class Counting(str):
        __slots__ = ()
        looks = 0

        def find(self, *args):
            Counting.looks += 1
            return super().find(*args)

    check(Counting("<answer>a</answer>" * 500), TEMPLATES["think-answer"])
    assert Counting.looks <= 2


@pytest.mark.parametrize("names", [(), ("a b",), ("1a",), ("a", "a"), ("a" * 33,), ("<a>",), ("",)])
def test_a_template_refuses_names_that_cannot_be_tags(names):
    with pytest.raises(ValueError, match="tag"):
        template_of_tags(names)


def test_one_tag_is_followed_by_the_answer_and_of_several_the_last_holds_it():
    assert template_of_tags(("a",)).tail is Tail.ANSWER
    assert template_of_tags(("a", "b")).tail is Tail.NOTHING


def test_a_tag_of_one_section_is_no_child_of_another():
    with pytest.raises(ValueError, match="once"):
        Template(sections=("a", "b"), tail=Tail.NOTHING, children={"a": frozenset({"b"})})


def test_a_prompt_opens_when_it_ends_with_the_first_tag():
    assert prompt_opens(TEMPLATES["think"], "2+2?\n<think>\n")
    assert not prompt_opens(TEMPLATES["think"], "What does <think> mean?")
    assert not prompt_opens(TEMPLATES["reflection"], "<think>")
    assert prompt_opens(TEMPLATES["reflection"], "<thinking>")


def test_blank_is_what_cannot_be_read():
    assert is_blank(" \u200b...\u3164!")
    assert not is_blank("..7")
