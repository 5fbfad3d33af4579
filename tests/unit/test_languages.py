"""Languages: their names, the files and commands of their programs, and what is read from sources and compilers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifier.judging.java_source import java_names
from verifier.judging.languages import LANGUAGES
from verifier.sandbox.images import TOOLCHAINS

CASES = Path(__file__).parents[1] / "cases"
ALL = {language.name: language for language in LANGUAGES.values()}


def lines(name):
    return [json.loads(line) for line in (CASES / name).read_text(encoding="utf-8").splitlines()]


def test_every_language_of_the_training_data_is_there():
    assert set(ALL) == {"python", "c", "cpp", "java", "javascript", "typescript", "go", "rust", "bash"}


def test_a_tag_names_one_language():
    for name, language in LANGUAGES.items():
        assert name == name.lower()
        assert name in (language.name, *language.tags)
        assert language.name in language.tags
    tags = [tag for language in ALL.values() for tag in language.tags]
    assert len(tags) == len(set(tags))


def test_every_language_has_an_image_and_every_image_a_language():
    assert {language.toolchain for language in ALL.values()} == set(TOOLCHAINS)


def test_images_share_their_first_layer():
    folder = Path(__file__).parents[2] / "sandbox_images"
    assert {path.name for path in folder.iterdir()} == set(TOOLCHAINS)
    first = {
        (folder / name / "Dockerfile").read_text().partition("FROM")[2].partition("rm -rf")[0] for name in TOOLCHAINS
    }
    assert len(first) == 1


@pytest.mark.parametrize("name", sorted(ALL))
def test_a_program_is_complete(name):
    program = ALL[name].program(ALL[name].echo, files=(("more.txt", "text"),))
    assert program.source == ALL[name].echo
    assert program.files == (("more.txt", "text"),)
    left = {word for word in (*program.compile_command, *program.run_command) if "{name}" in word or "{main}" in word}
    assert not left
    assert bool(program.run_command) == (name != "python")


@pytest.mark.parametrize("case", lines("java_names.jsonl"), ids=lambda case: case["id"])
def test_a_java_source_says_its_names(case):
    names = java_names(case["source"])
    assert (names.file_name, names.main_class) == (case["file"], case["main"])


@given(st.text(alphabet=st.sampled_from(list("{}();.\"'/*\\\n$a ")), max_size=200) | st.text(max_size=100))
def test_any_text_has_names_that_a_file_may_have(text):
    names = java_names(text)
    assert names.file_name.endswith(".java")
    assert "/" not in names.file_name
    assert "\0" not in names.file_name
    assert len(names.file_name.encode()) <= 200


@pytest.mark.parametrize("unit", ["/*", '"', '"\\"', "'\\'", '"""', "{", "(", "class A {", "public class ", "a."])
def test_reading_names_takes_time_in_proportion_to_the_text(unit):
    java_names(unit * (1_000_000 // len(unit)))


@pytest.mark.parametrize(
    "case", lines("compile_errors.jsonl"), ids=lambda case: f"{case['language']}-{case['error'][:20]}"
)
def test_the_first_error_is_found_in_what_a_compiler_wrote(case):
    assert ALL[case["language"]].first_error(case["text"]) == case["error"]
