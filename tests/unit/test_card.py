from __future__ import annotations

from pathlib import Path

import pytest

from curation.card import card_of, licence_of
from curation.manifest import DataEntry, InputEntry, Output, ShardEntry
from curation.recipe import parse_recipe

RECIPE = """[[steps]]
name = "length"  # ``` a fence of the user's own
[[steps]]
name = "verify"
"""
VERSIONS = {"assay": "1", "polars": "2"}


def entry(path: str, kept: int, **dropped: int) -> ShardEntry:
    rejected = sum(dropped.values())
    return ShardEntry(
        name=Path(path).stem,
        key="",
        inputs=(
            InputEntry(
                path=path, part="0-None", sha256="", rows=1, samples=kept + rejected, kept=kept, rejected=rejected
            ),
        ),
        dropped={"length": dropped} if dropped else {},
    )


def file(name: str, split: str, samples: int, **domains: int) -> DataEntry:
    output = Output(samples=samples, bytes=1, sha256="")
    return DataEntry(name=name, split=split, key="", domains=domains, chars=10 * samples, output=output)


def test_the_card_counts_splits_domains_steps_and_inputs():
    files = [file("train-0", "train", 8, math=7, code=1), file("test-0", "test", 2, math=2)]
    shards = [entry("in/a_b.parquet", 6, too_long=2), entry("in/[x](y)|z.parquet", 4)]
    text = card_of(parse_recipe(RECIPE), files, shards, VERSIONS)
    assert text == card_of(parse_recipe(RECIPE), files, shards, VERSIONS)
    header, _, body = text.removeprefix("---\n").partition("\n---\n")
    assert header.splitlines()[-4:] == [
        "  - split: train",
        "    path: data/train-*.parquet",
        "  - split: test",
        "    path: data/test-*.parquet",
    ]
    assert "- n<1K" in header
    assert "10 samples, kept of 12 completions (83.3 %)" in body
    assert "| train | 1 | 8 | 80 |" in body
    assert "| math | 9 | 90.0 % |" in body
    assert "| length | too_long | -2 | 10 |" in body
    assert "| a_b.parquet | unknown | 8 | 6 | 75.0 % |" in body
    assert r"| \[x\](y)\|z.parquet |" in body


def test_a_fence_in_the_recipe_ends_no_code():
    recipe = parse_recipe(RECIPE + '[output]\ndir = """\n```\n"""\n')
    text = card_of(recipe, [], [], VERSIONS)
    code = text.partition("## Recipe\n\n````toml\n")[2].partition("\n````\n")[0]
    assert code == recipe.text.rstrip()


def test_nothing_kept_has_no_files_to_load():
    text = card_of(parse_recipe(RECIPE), [], [entry("a.parquet", 0, too_long=1)], VERSIONS)
    assert "configs" not in text
    assert "0 samples, kept of 1 completions (0.0 %)" in text


@pytest.mark.parametrize(
    ("card", "licence"),
    [
        ("---\nlicense: mit\n---\nText", "mit"),
        ("---\ntags: [a]\nlicense:\n- cc-by-4.0\n---\n", "cc-by-4.0"),
        ('---\nlicense: "apache-2.0"  # ours\n---\n', "apache-2.0"),
        ("license: mit\n", "unknown"),
        ("---\ntags: [a]\n---\nlicense: mit\n", "unknown"),
        (None, "unknown"),
    ],
)
def test_the_licence_of_an_input_is_that_of_the_card_beside_it_or_above(tmp_path, card, licence):
    (tmp_path / "data").mkdir()
    if card is not None:
        (tmp_path / "README.md").write_text(card, encoding="utf-8")
    path = str(tmp_path / "data/a.parquet")
    assert licence_of(path, {}) == licence
    assert licence_of(path, {"*/b.parquet": "x", "*/a.parquet": "gpl-3.0"}) == "gpl-3.0"
