"""The natural languages that can be told apart, and the scripts they are written in.

To add one: its ISO 639-1 code in the table of its script. A language whose script it shares must be known to the
detectors of ``verifier.text.detect``.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from verifier.text.scripts import Script

_LATIN = (
    "af az bs ca cs cy da de en eo es et eu fi fr ga gl hr ht hu id is it la lt lv mg ms mt nl no pl pt ro sk sl so"
    " sq sv sw tl tr uz vi xh yo zu"
)
_LANGUAGES: tuple[tuple[str, tuple[Script, ...]], ...] = (
    (_LATIN, (Script.LATIN,)),
    ("be bg kk ky mk mn ru tg uk", (Script.CYRILLIC,)),
    ("sr", (Script.CYRILLIC, Script.LATIN)),
    ("ar fa ps ug ur", (Script.ARABIC,)),
    ("hi mr ne", (Script.DEVANAGARI,)),
    ("as bn", (Script.BENGALI,)),
    ("zh", (Script.HAN,)),
    ("ja", (Script.HAN, Script.KANA)),
    ("ko", (Script.HANGUL,)),
    ("el", (Script.GREEK,)),
    ("he", (Script.HEBREW,)),
    ("hy", (Script.ARMENIAN,)),
    ("ka", (Script.GEORGIAN,)),
    ("am", (Script.ETHIOPIC,)),
    ("pa", (Script.GURMUKHI,)),
    ("gu", (Script.GUJARATI,)),
    ("or", (Script.ODIA,)),
    ("ta", (Script.TAMIL,)),
    ("te", (Script.TELUGU,)),
    ("kn", (Script.KANNADA,)),
    ("ml", (Script.MALAYALAM,)),
    ("si", (Script.SINHALA,)),
    ("th", (Script.THAI,)),
    ("lo", (Script.LAO,)),
    ("bo", (Script.TIBETAN,)),
    ("my", (Script.MYANMAR,)),
    ("km", (Script.KHMER,)),
)

SCRIPTS_OF: Mapping[str, tuple[Script, ...]] = MappingProxyType(
    {code: scripts for codes, scripts in _LANGUAGES for code in codes.split()}
)
"""Language -> the scripts that its words may be written in."""

SHARED_SCRIPTS = frozenset({Script.LATIN, Script.CYRILLIC, Script.ARABIC, Script.DEVANAGARI, Script.BENGALI})
"""Alphabets of several languages, which only a detector can tell apart."""

DEFAULT_CANDIDATES: tuple[str, ...] = (
    *("en", "fr", "de", "es", "it", "pt"),
    *("ru", "uk", "bg"),
    *("ar", "fa", "ur"),
    *("hi", "mr", "ne"),
    *("bn", "as"),
)
"""Languages that the words of a shared script are told apart into, beside the target."""


def language_code(name: str) -> str | None:
    """The code of a language that we know, from a tag such as ``zh-Hans`` or ``en_US``; None for any other."""
    code = name.strip().lower().replace("_", "-").partition("-")[0]
    return code if code in SCRIPTS_OF else None
