import re
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from verifier.text.detect import DETECTORS, WINDOW_CHARS, Detector, Scores, langdetect_scores, py3langid_scores
from verifier.text.language_share import _likeliest, _share_of_words, language_share, measure, named_language
from verifier.text.languages import DEFAULT_CANDIDATES, SCRIPTS_OF, SHARED_SCRIPTS, language_code

EN = "Let us first add the two numbers, and then we divide the sum by three."
FR = "Ajoutons d'abord les deux nombres, puis nous divisons la somme par trois."
ZH = "我们先把两个数加起来，然后再除以三。"
JA = "まず二つの数を足して、次に合計を三で割ります。"
TRACES = Path(__file__).parents[3] / "shared/data/corpora/grpo_gsm8k_reasoning_trace.md"
LANGUAGES = ("en", "fr", "de")


def share(text: str, language: str, candidates: tuple[str, ...] = ()) -> Fraction:
    found = language_share(text, language, candidates=candidates)
    return Fraction(found.target, found.total)


@settings(deadline=None)
@given(
    text=st.text() | st.lists(st.sampled_from([EN, FR, ZH, JA, "\n", "$", "```", "x"])).map("".join),
    language=st.sampled_from(sorted(SCRIPTS_OF)),
)
def test_a_share_is_between_none_and_all(text: str, language: str) -> None:
    found = language_share(text, language)
    assert 0 <= found.target <= found.total


@settings(deadline=None, max_examples=30)
@given(sentences=st.lists(st.sampled_from([EN, FR, ZH]), min_size=1, max_size=6), more=st.integers(1, 5))
def test_more_words_of_the_target_never_lower_the_share_when_scripts_differ(sentences: list[str], more: int) -> None:
    text = "\n".join(sentences)
    assert share(text + "\n" + "\n".join([ZH] * more), "zh") >= share(text, "zh")


@settings(deadline=None, max_examples=30)
@given(sentences=st.lists(st.sampled_from([EN, FR, ZH, JA]), min_size=1, max_size=8))
def test_the_shares_of_all_languages_of_a_text_make_the_whole(sentences: list[str]) -> None:
    text = "\n".join(sentences)
    assert sum(share(text, language) for language in ("en", "fr", "zh", "ja")) == 1


@pytest.mark.parametrize("detector", DETECTORS)
@pytest.mark.parametrize(("text", "best"), [(EN, 0), (FR, 1), ("Wir teilen nun beide Seiten durch drei", 2)])
def test_a_detector_gives_its_best_score_to_the_right_language(detector: str, text: str, best: int) -> None:
    scores = DETECTORS[detector].scores(text, LANGUAGES)
    assert max(range(3), key=scores.__getitem__) == best
    assert max(scores) == 0.0


@pytest.mark.parametrize("window", ["", "\ufffd", "Step", "12", "zzzz" * WINDOW_CHARS])
@pytest.mark.parametrize("score", [py3langid_scores, langdetect_scores])
def test_any_window_has_finite_scores(window: str, score: object) -> None:
    scores = py3langid_scores(window, LANGUAGES) if score is py3langid_scores else langdetect_scores(window, LANGUAGES)
    assert all(-1e6 < value <= 0 for value in scores)


def test_langdetect_says_the_same_each_time() -> None:
    assert len({langdetect_scores("la la", LANGUAGES) for _ in range(5)}) == 1


def test_a_window_without_features_does_not_drown_the_others() -> None:
    assert share(f"Step\n{EN}\nStep\n{EN}", "fr") < Fraction(1, 10)


@pytest.mark.parametrize("codes", [DEFAULT_CANDIDATES, tuple(SCRIPTS_OF)])
def test_the_default_detector_knows_every_language_of_a_shared_script(codes: tuple[str, ...]) -> None:
    shared = {code for code in codes if SHARED_SCRIPTS.intersection(SCRIPTS_OF[code])}
    assert shared <= DETECTORS["py3langid"].labels()


def test_a_doubtful_window_takes_after_its_neighbours() -> None:
    assert _likeliest([(0.0, -9.0), (-2.0, 0.0), (0.0, -9.0)], 8.0) == [0, 0, 0]


def test_a_clear_change_of_language_is_seen() -> None:
    assert _likeliest([(0.0, -20.0), (-20.0, 0.0), (-20.0, 0.0)], 8.0) == [0, 1, 1]


def test_the_windows_that_are_looked_at_are_bounded_and_spread_evenly() -> None:
    seen: list[str] = []

    def scores(window: str, candidates: tuple[str, ...]) -> Scores:
        seen.append(window)
        return (0.0, *(-100.0 for _ in candidates[1:]))

    few = Detector(scores=scores, switch_penalty=1.0, max_windows=10, labels=lambda: frozenset({"en", "fr"}))
    text = "\n".join(f"word{'abcdefghij'[index // 100]}{'abcdefghij'[index % 10]} and so on" for index in range(1000))
    found = _share_of_words(text, "en", ("fr",), few)
    assert found.target == found.total
    assert len(seen) == 10
    assert [window[4] for window in seen] == list("abcdefghij")


def test_a_short_clause_of_han_takes_after_the_one_before() -> None:
    assert share(f"{JA}三角形。", "ja") == 1
    assert share(f"{ZH}三角形。", "zh") == 1


def test_candidates_without_japanese_make_all_han_chinese() -> None:
    text = "まず合計を計算"
    assert share(text, "zh") == 0
    assert share(text, "zh", ("zh", "en")) > 0


def test_the_target_is_always_a_candidate() -> None:
    assert share(FR, "fr", ("en", "de")) == 1


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("How many apples does she have at the end of the week?", "en"),
        ("Combien de pommes possède-t-elle encore à la fin de la semaine ?", "fr"),
        ("她在一个星期结束的时候还有多少个苹果呢？", "zh"),
        ("彼女は一週間の終わりにりんごをいくつ持っていますか。", "ja"),
        ("그녀는 한 주가 끝날 때 사과를 몇 개나 가지고 있습니까?", "ko"),
        ("Сколько яблок останется у неё в конце каждой недели?", "ru"),
        ("Πόσα μήλα έχει στο τέλος της κάθε εβδομάδας συνολικά;", "el"),
        ("```python\nimport os\nx = compute(y)\n``` Write a program that prints every second line.", "en"),
    ],
)
def test_a_prompt_names_its_language(text: str, language: str) -> None:
    assert named_language(text, is_sure=True) == language


@pytest.mark.parametrize("text", ["", "$x^2$", "Find $x$.", "12 + 30"])
def test_a_prompt_of_few_words_names_none(text: str) -> None:
    assert named_language(text, is_sure=True) is None


def test_a_task_of_a_worker_speaks_json() -> None:
    assert measure({"text": "", "language": ""}) == {"language": "", "target": 0, "total": 0, "is_known": True}
    assert measure({"text": EN, "language": ""})["language"] == "en"
    assert measure({"text": EN, "name_only": True}) == {"language": "en"}


@pytest.mark.parametrize(
    ("name", "code"),
    [("en", "en"), (" EN ", "en"), ("zh-Hans-CN", "zh"), ("pt_BR", "pt"), ("eng", None), ("", None), ("English", None)],
)
def test_a_tag_is_read_as_a_code(name: str, code: str | None) -> None:
    assert language_code(name) == code


@pytest.mark.skipif(not TRACES.exists(), reason="needs the collection of real traces")
def test_real_traces_are_told_apart() -> None:
    """Nineteen were read as Chinese, with some English words left in it; seven as English throughout."""
    traces = re.findall(r"<think>(.*?)</think>", TRACES.read_text(encoding="utf-8"), re.DOTALL)
    assert sum(share(trace, "en") == 1 for trace in traces) == 7
    assert sum(share(trace, "zh") > Fraction(6, 10) for trace in traces) == 19
