"""The share of target-language words in a text: DeepSeek-R1's language consistency (arXiv 2501.12948, equation 7).

Num(words in the target language) / Num(words), over what ``verifier.text.prose`` leaves, where a stretch that is
repeated in a row counts three times at most. The script decides where it can; words of a script that several candidates
are written in are cut into windows of about five words, which never pass the end of a sentence, and a detector scores
them; the likeliest sequence of languages wins, where each change costs, so that one doubtful window does not overrule
its neighbours. Han characters are Japanese in a clause with kana.

At most ``max_windows`` windows of a text are looked at, evenly spaced; each then stands for those up to the next.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from verifier.text.detect import DETECTORS, Detector, Scores, name_language
from verifier.text.languages import DEFAULT_CANDIDATES, SCRIPTS_OF, SHARED_SCRIPTS
from verifier.text.notation import SYMBOLS
from verifier.text.prose import prose
from verifier.text.scripts import UNITS_PER_WORD, Script, Word, words

DEFAULT_DETECTOR = "py3langid"

_WINDOW_WORDS = 5
_SENTENCE_END = re.compile(r"[.!?;:。！？；：\n]")
_CLAUSE_END = re.compile(r"[.!?;:,。！？；：，\n]")
_SHORT_HAN_UNITS = 4 * 85
_REPEATED = re.compile(r"(?<![A-Za-z\u00c0-\u052f])([^\W\d_].{0,11}?)\1{3,}", re.DOTALL)
_SPACED_LETTERS = re.compile(r"(?<![^\W_])(?:[A-Za-z] ){11,}[A-Za-z](?![^\W_])")
_OPERATORS = frozenset("=+/^<≤≥≠≈×÷·√")  # not * _ | >, which Markdown sets beside words
_SYMBOL_LETTERS = 3
_FUNCTION_LETTERS = 5
_LONGEST_SYMBOL = max(map(len, SYMBOLS))
_MIN_NAMED_WORDS = 6
_MIN_PROBABILITY = 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """What was counted, in units of ``UNITS_PER_WORD``.

    Args:
        language: the target.
        target: units in the target language.
        total: units of all words.
        is_known: whether the detector knows the target, where other candidates share its script.
    """

    language: str
    target: int
    total: int
    is_known: bool = True


def language_share(text: str, language: str, *, candidates: Sequence[str] = (), detector: str = "") -> Share:
    """Counts the words of a text.

    Args:
        text: the reasoning, as the model wrote it.
        language: code of the target, one of ``SCRIPTS_OF``.
        candidates: languages that words of a shared script are told apart into; empty takes the default ones.
        detector: a name in ``DETECTORS``; empty takes the default one.
    """
    rivals = tuple(candidates) or DEFAULT_CANDIDATES
    return _share_of_words(_without_padding(prose(text)), language, rivals, DETECTORS[detector or DEFAULT_DETECTOR])


def _without_padding(text: str) -> str:
    """The text with what is repeated in a row kept three times, and letters set apart closed up to words."""
    return _SPACED_LETTERS.sub(lambda run: run.group().replace(" ", ""), _REPEATED.sub(r"\1\1\1", text))


def named_language(text: str, *, is_sure: bool) -> str | None:
    """The language that a text is written in, None where there are too few words to tell.

    Args:
        text: a prompt or a reasoning.
        is_sure: asks for some words and a high probability.
    """
    counted = _counted_words(prose(text))
    units: dict[Script, int] = {}
    for found in counted.words:
        units[found.script] = units.get(found.script, 0) + found.units
    if not units or (is_sure and sum(units.values()) < _MIN_NAMED_WORDS * UNITS_PER_WORD):
        return None
    if Script.KANA in units:
        units[Script.KANA] += units.pop(Script.HAN, 0)
    script = max(units, key=lambda key: units[key])
    languages = tuple(code for code, scripts in SCRIPTS_OF.items() if script in scripts)
    if len(languages) == 1 or script in (Script.HAN, Script.KANA):
        return {Script.HAN: "zh", Script.KANA: "ja"}.get(script) or languages[0]
    named = name_language(" ".join(word.text for word in counted.words if word.script is script), languages)
    if named is None or (is_sure and named[1] < _MIN_PROBABILITY):
        return None
    return named[0]


def measure(request: Mapping[str, object]) -> dict[str, object]:
    """``language_share`` and ``named_language`` for a worker: JSON in, JSON out.

    Args:
        request: ``text``; ``language``, where empty asks for the language that the text itself is written in;
            ``candidates``; ``detector``. With ``name_only`` the language is named and nothing is counted.
    """
    text = str(request["text"])
    if request.get("name_only"):
        return {"language": named_language(text, is_sure=True) or ""}
    language = str(request.get("language") or "") or named_language(text, is_sure=False)
    if not language:
        return {"language": "", "target": 0, "total": 0, "is_known": True}
    candidates = request.get("candidates") or ()
    share = language_share(
        text,
        language,
        candidates=[str(code) for code in candidates] if isinstance(candidates, list | tuple) else (),
        detector=str(request.get("detector") or ""),
    )
    return {
        "language": share.language,
        "target": share.target,
        "total": share.total,
        "is_known": share.is_known,
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class _Counted:
    """Words with the text that they stand in."""

    text: str
    words: tuple[Word, ...]


def _counted_words(text: str) -> _Counted:
    return _Counted(text=text, words=tuple(word for word in words(text) if not _is_symbol(word, text)))


def _is_symbol(word: Word, text: str) -> bool:
    """Whether a word is a name of mathematics or code that belongs to no language, such as AB, cm, dx or sin."""
    if word.script is not Script.LATIN:
        return False
    letters = len(word.text)
    if letters > _LONGEST_SYMBOL:
        return False
    if word.text.lower() in SYMBOLS:
        return True
    if letters <= _FUNCTION_LETTERS and text.startswith(("(", "["), word.end):
        return True
    if letters > _SYMBOL_LETTERS:
        return False
    if word.text.isupper():
        return True
    before = text[max(0, word.start - 2) : word.start]
    after = text[word.end : word.end + 2]
    if letters <= 2 and (before[-1:].isdigit() or after[:1].isdigit()):  # noqa: PLR2004 - 3cm, dp1
        return True
    return not _OPERATORS.isdisjoint((before + after).replace("\n", ""))


def _share_of_words(text: str, language: str, candidates: Sequence[str], detector: Detector) -> Share:
    """The share in a text that is prose already."""
    counted = _counted_words(text)
    target = SCRIPTS_OF[language]
    total = sum(word.units for word in counted.words)
    found = 0
    for script in target:
        own = [word for word in counted.words if word.script is script]
        rivals = [code for code in candidates if code != language and script in SCRIPTS_OF[code]]
        if script is Script.HAN:
            found += _han_units(counted, own, language, candidates)
        elif not rivals or script not in SHARED_SCRIPTS:
            found += sum(word.units for word in own)
        elif language in detector.labels():
            known = detector.labels()
            found += _window_units(counted, own, (language, *(code for code in rivals if code in known)), detector)
        else:
            return Share(language=language, target=0, total=total, is_known=False)
    return Share(language=language, target=found, total=total)


def _han_units(counted: _Counted, own: Sequence[Word], language: str, candidates: Sequence[str]) -> int:
    """Units of Han in the target: a clause with kana is Japanese, one without is Chinese.

    A clause of a few characters takes after the clause before it.
    """
    rival = {"zh": "ja", "ja": "zh"}[language]
    if candidates != DEFAULT_CANDIDATES and rival not in candidates:
        return sum(word.units for word in own)
    found = 0
    is_japanese = language == "ja"
    for clause in _clauses(counted):
        han = sum(word.units for word in clause if word.script is Script.HAN)
        if any(word.script is Script.KANA for word in clause):
            is_japanese = True
        elif han > _SHORT_HAN_UNITS:
            is_japanese = False
        if is_japanese == (language == "ja"):
            found += han
    return found


def _clauses(counted: _Counted) -> Iterator[list[Word]]:
    clause: list[Word] = []
    for word in counted.words:
        if clause and _CLAUSE_END.search(counted.text, clause[-1].end, word.start):
            yield clause
            clause = []
        clause.append(word)
    yield clause


def _window_units(counted: _Counted, own: Sequence[Word], languages: tuple[str, ...], detector: Detector) -> int:
    """Units of the words in windows that are of the first of the languages."""
    windows = list(_windows(counted, own))
    if not windows or len(languages) == 1:
        return sum(word.units for word in own)
    count = min(len(windows), detector.max_windows)
    picked = [index * len(windows) // count for index in range(count)]
    scores = [detector.scores(" ".join(word.text for word in windows[index]), languages) for index in picked]
    path = _likeliest(scores, detector.switch_penalty)
    found = 0
    for index, until, choice in zip(picked, [*picked[1:], len(windows)], path, strict=True):
        if choice == 0:
            found += sum(word.units for window in windows[index:until] for word in window)
    return found


def _windows(counted: _Counted, own: Sequence[Word]) -> Iterator[Sequence[Word]]:
    """Words in windows of about five, cut evenly within sentences."""
    sentence: list[Word] = []
    for word in own:
        if sentence and _SENTENCE_END.search(counted.text, sentence[-1].end, word.start):
            yield from _even(sentence)
            sentence = []
        sentence.append(word)
    yield from _even(sentence)


def _even(sentence: Sequence[Word]) -> Iterator[Sequence[Word]]:
    count = max(1, round(len(sentence) / _WINDOW_WORDS)) if sentence else 0
    for index in range(count):
        yield sentence[index * len(sentence) // count : (index + 1) * len(sentence) // count]


def _likeliest(scores: Sequence[Scores], switch_penalty: float) -> list[int]:
    """The sequence of choices of the highest sum of scores, less a penalty for each change (Viterbi's algorithm).

    To begin with another language than the first, the target, counts as a change: a few doubtful words do not.
    """
    sums = [score - (switch_penalty if choice else 0.0) for choice, score in enumerate(scores[0])]
    steps: list[list[int]] = []
    for row in scores[1:]:
        best = max(range(len(sums)), key=sums.__getitem__)
        step = [own if sums[own] >= sums[best] - switch_penalty else best for own in range(len(sums))]
        sums = [
            max(sums[own], sums[best] - switch_penalty) + score
            for own, score in zip(range(len(sums)), row, strict=True)
        ]
        steps.append(step)
    choice = max(range(len(sums)), key=sums.__getitem__)
    path = [choice]
    for step in reversed(steps):
        choice = step[choice]
        path.append(choice)
    return path[::-1]
