"""Detectors that say how likely each of a few languages is for a short window of words.

Both are loaded at their first use in a process, once, and give the same answer for the same window: langdetect is
seeded for each detector and its profiles are read in the order of their names. They share no state but their models,
which are never written to.
"""

from __future__ import annotations

import copy
import io
import json
import lzma
import math
from array import array
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import langdetect
import numpy as np
from langdetect.detector_factory import DetectorFactory
from langdetect.lang_detect_exception import LangDetectException
from langdetect.utils.lang_profile import LangProfile
from py3langid import langid

WINDOW_CHARS = 160
"""Longer windows are cut; five words have about thirty characters."""

_WHOLE_CHARS = 4000
_SEED = 0
_LEAST = 1e-6

Scores = tuple[float, ...]
"""Log-likelihoods, one a candidate, less the highest of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Detector:
    """One way to score a window.

    Args:
        scores: window and candidates -> scores in the order of the candidates.
        switch_penalty: what a change of language between two windows costs in the units of the scores.
        max_windows: windows of one text that are looked at.
        labels: languages that it knows.
    """

    scores: Callable[[str, tuple[str, ...]], Scores]
    switch_penalty: float
    max_windows: int
    labels: Callable[[], frozenset[str]]


def py3langid_scores(window: str, candidates: tuple[str, ...]) -> Scores:
    """Scores by py3langid; all equal where it finds nothing to go by."""
    ranked = dict(_identifier(candidates).rank(window[:WINDOW_CHARS]))
    best = max(ranked.values())  # for a window without features each score is the least float, which no sum survives
    return tuple(float(ranked[candidate] - best) for candidate in candidates)


def langdetect_scores(window: str, candidates: tuple[str, ...]) -> Scores:
    """Scores by langdetect, logarithms of its probabilities; all equal where it finds nothing to go by."""
    probabilities = _langdetect(window[:WINDOW_CHARS], candidates)
    logs = [math.log(max(probabilities.get(candidate, 0.0), _LEAST)) for candidate in candidates]
    return tuple(value - max(logs) for value in logs)


def name_language(text: str, candidates: Sequence[str]) -> tuple[str, float] | None:
    """The language of a whole text by langdetect, and how probable it is; None where it cannot tell."""
    known = tuple(candidate for candidate in candidates if candidate in _langdetect_labels())
    probabilities = _langdetect(text[:_WHOLE_CHARS], known) if known else {}
    if not probabilities:
        return None
    best = max(known, key=lambda code: probabilities[code])
    return best, probabilities[best]


@cache
def _model() -> Any:  # noqa: ANN401 - the library has no types
    """The model of py3langid, read in memory: its own loader writes a file, which a worker process may not."""
    packed = (Path(langid.__file__).parent / langid.MODEL_FILE).read_bytes()
    with np.load(io.BytesIO(lzma.decompress(packed)), allow_pickle=False) as data:
        return langid.LanguageIdentifier(
            data["ptc"],
            data["pc"],
            data["classes"].tolist(),
            _compact(data["nextmove"]),
            data["out_feat"].tolist(),
            tk_row=_compact(data["nextmove_row"]),
        )


def _compact(numbers: Any) -> array[int]:  # noqa: ANN401 - the library has no types
    """Read element by element, an array of the standard library is faster than one of numpy, and a list is large."""
    compact: array[int] = array({2: "H", 4: "I"}[numbers.dtype.itemsize])
    compact.frombytes(numbers.tobytes())
    return compact


@cache
def _py3langid_labels() -> frozenset[str]:
    return frozenset(_model().labels)


@lru_cache(maxsize=64)
def _identifier(candidates: tuple[str, ...]) -> Any:  # noqa: ANN401 - the library has no types
    """The model cut to some languages; the copy shares the tables of the whole."""
    identifier = copy.copy(_model())
    identifier.set_languages(candidates)
    return identifier


@cache
def _factory() -> Any:  # noqa: ANN401 - the library has no types
    """The profiles of langdetect, loaded in the order of their names: its sums depend on the order."""
    factory = DetectorFactory()
    factory.set_seed(_SEED)
    paths = sorted((Path(langdetect.__file__).parent / "profiles").iterdir())
    profiles = [json.loads(path.read_text(encoding="utf-8")) for path in paths if path.is_file()]
    for index, profile in enumerate(profiles):
        factory.add_profile(LangProfile(**profile), index, len(profiles))
    return factory


@cache
def _langdetect_labels() -> frozenset[str]:
    return frozenset(_code(name) for name in _factory().get_lang_list())


def _code(name: str) -> str:
    """A name of langdetect as our code: its two kinds of Chinese are one."""
    return name.partition("-")[0]


def _langdetect(text: str, candidates: Sequence[str]) -> dict[str, float]:
    """Probabilities of the candidates; nothing where langdetect has no features to go by."""
    factory = _factory()
    detector = factory.create()
    detector.set_prior_map({name: 1.0 for name in factory.get_lang_list() if _code(name) in candidates})
    detector.append(text)
    try:
        detector.get_probabilities()
    except LangDetectException:
        return {}
    found = dict.fromkeys(candidates, 0.0)
    for name, probability in zip(factory.get_lang_list(), detector.langprob, strict=True):
        if _code(name) in found:
            found[_code(name)] += probability
    return found


DETECTORS: Mapping[str, Detector] = MappingProxyType(
    {
        "py3langid": Detector(scores=py3langid_scores, switch_penalty=8.0, max_windows=2000, labels=_py3langid_labels),
        "langdetect": Detector(
            scores=langdetect_scores, switch_penalty=3.0, max_windows=400, labels=_langdetect_labels
        ),
    }
)
"""The detectors, by the name of the option."""
