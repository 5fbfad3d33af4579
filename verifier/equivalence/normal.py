r"""One spelling for answers that differ only in how they are written.

Unicode forms become LaTeX or ASCII, spacing and sizing commands go, and words in ``\text{}`` that are the whole answer
lose it. Every step keeps the meaning; what changes it (dropping a unit, a bracket, a variable) has no place here.
"""

from __future__ import annotations

import re
import unicodedata

from verifier.equivalence.deep import settled
from verifier.equivalence.units import read_unit

_CHARACTERS = {
    "−": "-", "–": "-", "—": "-", "﹣": "-", "‐": "-", "‑": "-",
    "×": r"\times ", "·": r"\cdot ", "⋅": r"\cdot ", "∙": r"\cdot ", "÷": r"\div ", "∗": "*",
    "π": r"\pi ", "𝜋": r"\pi ", "∞": r"\infty ", "°": r"^\circ ", "º": r"^\circ ", "±": r"\pm ", "∓": r"\mp ",
    "≤": r"\le ", "≥": r"\ge ", "≦": r"\le ", "≧": r"\ge ", "⩽": r"\le ", "⩾": r"\ge ", "≠": r"\ne ",
    "≈": r"\approx ", "∪": r"\cup ", "∩": r"\cap ", "∈": r"\in ", "∅": r"\emptyset ", "ℝ": r"\mathbb{R}",
    "→": r"\to ", "θ": r"\theta ", "α": r"\alpha ", "β": r"\beta ", "λ": r"\lambda ", "φ": r"\phi ", "μ": r"\mu ",
    "½": r"\frac{1}{2}", "⅓": r"\frac{1}{3}", "⅔": r"\frac{2}{3}", "¼": r"\frac{1}{4}", "¾": r"\frac{3}{4}",
    "√": r"\sqrt ", "⅕": r"\frac{1}{5}", "⅖": r"\frac{2}{5}", "⅗": r"\frac{3}{5}", "⅘": r"\frac{4}{5}",
    "⅜": r"\frac{3}{8}", "⅝": r"\frac{5}{8}", "⅞": r"\frac{7}{8}", "⅚": r"\frac{5}{6}", "′": "'", "∠": r"\angle ",
    "℃": r"^\circ C", "∶": ":", "＾": "^", "⅙": r"\frac{1}{6}", "⅛": r"\frac{1}{8}", "⁄": "/", "∕": "/",
    "，": ",", "、": ",", "。": ".", "；": ";", "：": ":", "（": "(", "）": ")", "【": "[", "】": "]",
    "〈": r"\langle ", "〉": r"\rangle ", "⟨": r"\langle ", "⟩": r"\rangle ",
    "\u200b": "", "\u200c": "", "\u200d": "", "\u2060": "", "\ufeff": "",
    "\u2061": "", "\u2062": "", "“": '"', "”": '"', "‘": "'", "’": "'",
}  # fmt: skip
_SUPERSCRIPTS = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻", "0123456789+-", strict=True))
_SUBSCRIPTS = dict(zip("₀₁₂₃₄₅₆₇₈₉", "0123456789", strict=True))
_RUNS = ((_SUPERSCRIPTS, "^"), (_SUBSCRIPTS, "_"))

_PLAIN = re.compile(r"[-+]?\$?[0-9]{1,100}(?:,[0-9]{3}){0,30}(?:[./][0-9]{1,100})?|[A-Za-z]")
_DIGITS = 100
_DROPPED = re.compile(
    r"\\(?:left|right|displaystyle|textstyle|limits|bigl?|bigr?|Bigl?|Bigr?|biggl?|biggr?|Biggl?|Biggr?)(?![a-zA-Z])\s?"
    r"|(?<!\\)\\!"
)
_SPACES = re.compile(r"(?<!\\)\\(?:[,;: ]|q?quad(?![a-zA-Z]{2}))|~|\s+")
_IDLE_SPACE = re.compile(r"(?<![a-zA-Z0-9,; ]) +| +(?![a-zA-Z0-9 ])")
"""Spaces that hold nothing apart: not two words, digits or parts of a list."""
_THOUSANDS = re.compile(r"(?<=\d)\{,\}\s?(?=\d)|(?<=\d),\s?\\!\s?(?=\d)|(?<=\d)\\[,;: ]\s?(?=\d{3}(?!\d))")
_RENAMED = (
    (re.compile(r"\\[dtc]frac(?![a-zA-Z])"), r"\\frac"),
    (re.compile(r"\\[dt]binom(?![a-zA-Z])"), r"\\binom"),
    (re.compile(r"\\leq(?:q|slant)?(?![a-zA-Z])"), r"\\le"),
    (re.compile(r"\\geq(?:q|slant)?(?![a-zA-Z])"), r"\\ge"),
    (re.compile(r"\\neq(?![a-zA-Z])|\\not\s?="), r"\\ne"),
    (re.compile(r"\\not\s?\\in(?![a-zA-Z])"), r"\\notin"),
    (re.compile(r"\\dot\s?\{?\s?(\d)\s?\}?(\d{0,20})\\dot\s?\{?\s?(\d)\s?\}?"), r"\\overline{\1\2\3}"),
    (re.compile(r"\\(?:var)?nothing(?![a-zA-Z])"), r"\\emptyset"),
    (re.compile(r"\^\{\s?\\circ\s?\}|\^\s?\\circ(?![a-zA-Z])|\\degree(?![a-zA-Z])"), r"^\\circ"),
    (re.compile(r"\^\s?\{?\s?\\textcirc\s?\}?"), r"^\\circ"),
    (re.compile(r"\\text\s?\{\s?(\\?\$)\s?\}\s?"), r"\1"),
    (re.compile(r"\\texttt|\\textbf|\\textit|\\textrm|\\textsf|\\mbox|\\emph"), r"\\text"),
    (re.compile(r"\\var(phi|epsilon|theta|rho|sigma)(?![a-zA-Z])"), r"\\\1"),
    (re.compile(r"\\[cl]?dots[cbmi]?(?![a-zA-Z])"), r"\\ldots"),
    (re.compile(r"\\(?:large|Large|LARGE|huge|Huge|small|normalsize|boldmath|bf|therefore)(?![a-zA-Z])\s?"), ""),
    (re.compile(r"\\(?:hspace|vspace)\*?\s?\{[^{}]*\}"), ""),
    (re.compile(r"\\(text|mathrm) ([a-zA-Z])(?![a-zA-Z])"), r"\\\1{\2}"),
    (re.compile(r"\\([ij])math(?![a-zA-Z])"), r"\1"),
    (re.compile(r"\\pounds(?![a-zA-Z])\s?"), "£"),
    (
        re.compile(r"^\\(?:boldsymbol|bm|mathbf|mathit|mathsf|texttt|underline|text|mathrm)\s?\{(-?[\d.,]{1,30})\}$"),
        r"\1",
    ),
    (
        re.compile(
            r"\\(?:text|mathrm)\s?\{[ ~]*([a-zA-Z]{1,12})[ ~]*\}\s?/\s?\\(?:text|mathrm)\s?\{[ ~]*([a-zA-Z]{1,12}) ?\}"
        ),
        r"\\text{\1/\2}",
    ),
    (
        re.compile(
            r"\\[dt]?frac\s?\{\s?\\(?:text|mathrm)\s?\{[ ~]*([a-zA-Z]{1,12}) ?\}\s?\}"
            r"\s?\{?\s?\\(?:text|mathrm)\s?\{[ ~]*([a-zA-Z]{1,12}) ?\}\s?\}?"
        ),
        r"\\text{\1/\2}",
    ),
    (re.compile(r"\\frac\s?\{\s?(?:\\mathrm\s?\{d\}|d)\s?([a-zA-Z])\s?\}\s?\{\s?d\s?x\s?\}(?=\s?=)"), r"\1'"),
    (re.compile(r"\\lvert|\\rvert|\\vert(?![a-zA-Z])"), "|"),
    (re.compile(r"\\(?:math|text)?(?:rm|up|normal)\s?\{\s?([ei])\s?\}"), r"\1"),
    (re.compile(r"_\s?\{\s?\\(max|min)\s?\}"), r"_{\1}"),
    (re.compile(r"(\\(?:sin|cos|tan|cot|sec|csc))\s?\^\s?(\d)(?=\s?[a-zA-Z])"), r"\1^{\2}"),
    (re.compile(r"\\(?:text)?color\s?\{[a-zA-Z]{1,20}\}"), ""),
    (re.compile(r"\\[hv]?phantom\s?\{[^{}]*\}"), ""),
    (
        re.compile(
            r"[(\[]\s?\\begin\{array\}\s?\{[clr| ]{1,20}\}((?:(?!\\begin|\\end).)*)\\end\{array\}\s?[)\]]", re.DOTALL
        ),
        r"\\begin{pmatrix}\1\\end{pmatrix}",
    ),
    (re.compile(r"\\lbrace"), r"\\{"),
    (re.compile(r"\\rbrace"), r"\\}"),
)
_COMMAND = re.compile(r"\\([a-zA-Z]+)")
_MAX_UNITS = 6
_UNIT_WORDS = r"\s?\{[ ~]*((?:[a-zA-Zμ°Ω/ .]|\^\{-?\d\}){1,40})[ ~]*\}"
_UNITS = re.compile(
    rf"(\d\}}?\s?(?:\\[,;: ]|~)?\s?)\\(?:text|mathrm){_UNIT_WORDS}(?:\s?\^\s?\{{?\s?(-?\d)\s?\}}?)?"
    rf"(\s?(?:\\cdot(?![a-z])|\\times(?![a-z])|[/*]|\\[,;: ]|~)?\s?)"
    rf"\\(?:text|mathrm){_UNIT_WORDS}(?:\s?\^\s?\{{?\s?(-?\d)\s?\}}?)?"
)
_MAX_OVERS = 8
_OVER = re.compile(r"\{((?:[^{}]|\{[^{}]*\})*?)\\over(?![a-zA-Z])\s?((?:[^{}]|\{[^{}]*\})*)\}")
_OVER_ALONE = re.compile(r"(-?)\s?([^{}=,\\]{1,80})\\over(?![a-zA-Z])\s?([^{}=,\\]{1,80})")
_OF_ONE_SPELLING = frozenset({"frac", "sqrt", "pi", "cdot", "times", "infty", "cup", "in", "log", "ln", "binom"})
"""Commands of which nothing above is a spelling."""
_CUBE_ROOT = re.compile(r"∛\s?(?:\(([^()]{1,60})\)|\{([^{}]{1,60})\}|(\d{1,30}|[a-zA-Z]))")
_BARE_ROOT = re.compile(r"√\s?(?:\(([^()]{1,60})\)|\{([^{}]{1,60})\}|(\d{1,30}(?:\.\d{1,30})?|[a-zA-Z]|\\pi))")
_NESTED = re.compile(r"[({]{9,}")
_CASES = re.compile(r"\\begin\{(cases|aligned|align\*?|gathered|array)\}(?:\{[lcr]*\})?([^&]*?)\\end\{\1\}", re.DOTALL)
"""Rows that are not parted are a list."""
_TAIL = re.compile(r"(?:\s|\\,|\\ |\\quad|~)*\\(?:blacksquare|square|Box|qed|tag\s?\{[^{}]*\}|text\s?\{\.\})$|\\\\$")
_HEAD = re.compile(r"^(?:\\(?:Rightarrow|implies|Longrightarrow)(?![a-zA-Z])|=>|⇒|∴)\s?")
_PARAMETER = re.compile(
    r"(?:[,;]\s?|\s?\(\s?|\s?\\text\{\s?,?\s?(?:where|for|with|其中)[^{}]{0,30}\}\s?|,?\s?(?:where|for|with)\s)"
    r"([a-zA-Z])\s?\\in\s?(?:\\(?:mathbb|mathbf|mathrm)\s?)?\{?\s?([ZNR])\s?\}?(\^\s?\{?[*+]\}?|_\{?[+0]\}?)?\s?\)?$"
)
_LED_BY_HAN = re.compile(r"^(?:负|一?共有?|约?为)(?=\d)")
_IN_BRACKETS = re.compile(r"^(-?[\d.,/]{1,40}) ?(?:\\text\{ ?)?\(([\u4e00-\u9fff]{1,4}|[a-z]{2,12})\) ?\}?$")
_UNION = re.compile(r"(?<=[)\]])\s?U\s?(?=[(\[])")
_TURNED = re.compile(r"([\[\]])\s?([^\[\]()]{1,60}[,;][^\[\]()]{1,60}?)\s?([\[\]])")
_TRANSPOSED = re.compile(
    r"[\[(]([^()\[\]]+(?:,[^()\[\]]+)+)[\])]\s?\^\s?\{?\s?(?:T|\\top|\\intercal|\\mathrm\{T\}|\\mathsf\{T\})\s?\}?"
)
_CHOOSE = re.compile(
    r"(?<![A-Za-z0-9)}\]])(?:\{\})?(?:_\{?\s?(\w{1,9})\s?\}?|\^\{?\s?(\w{1,9})\s?\}?)\s?C\s?_\{?\s?"
    r"(\w{1,9})\s?\}?|(?<![a-zA-Z])C\((\d{1,9}),\s?(\d{1,9})\)"
)
_SIGNED_MONEY = re.compile(r"^(?:US|USD)?\s?(\\?[$£€¥])\s?-\s?(?=\d)")
_CODE_MONEY = re.compile(r"^US\s?(?=\\?\$\s?\d)|^(?:USD|Rs\.?|RM|INR)\s?(?=\d)")
_EUROPEAN = re.compile(r"-?\d{1,3}(?:\.\d{3}){2,10}(?:,\d{1,40})?")
_BAR_CYCLE = re.compile(r"(?<=\.)(\d{0,40})(?:\\(?:bar|overline)\s?\{?\s?(\d{1,40})\s?\}?|\((\d{1,40})\)(?!\d))")
_BASED_IN_BRACKETS = re.compile(r"^\(\s?([0-9A-F]{1,40})\s?\)\s?_\s?\{?\s?(\d{1,2})\s?\}?$")
_WRAPPERS = (("$$", "$$"), ("$", "$"), ("\\(", "\\)"), ("\\[", "\\]"), ("**", "**"), ('"', '"'), ("`", "`"))
_SET_OF = re.compile(r"\\\{ ?([a-zA-Z]) ?(?:\\mid(?![a-zA-Z])|\||:) ?([^|:{}]*(?:<|>|\\[lg]e(?![a-zA-Z]))[^|:{}]*)\\\}")
_SAID = re.compile(
    r"(?:\\text\{ ?(?:the )?(?:final )?answer(?: is)?:? ?\}|\\text\{ ?only ?\}|(?:所以)?(?:最终)?答案?(?:是|为|[:：])"
    r"|(?:the )?(?:final )?answer(?: is|:))\s?",
    re.IGNORECASE,
)
_FIELD = re.compile(r'\{ ?"[A-Za-z_ ]{1,40}" ?: ?"?([-$0-9.,/% ]{1,100}?)"? ?\}')
"""The one field of an object in JSON."""
_TEXT = re.compile(r"\\(?:text|mathrm|mathbf|operatorname)\s?\{([^{}]*)\}")
_SOLUTION = re.compile(r"[A-Za-z]{3,} [A-Za-z]{2,}|\n|\\[\[(]")
_BOXED = re.compile(r"\\(?:boxed|fbox)\s?\{([^{}]*(?:\{[^{}]*(?:\{[^{}]*\}[^{}]*)*\}[^{}]*)*)\}")
_DAMAGED = re.compile(
    r"\t(?=(?:ext|imes|heta|frac|an|au|o)(?:[^a-z]|circ))|\f(?=rac\b|rac\{)|\x08(?=egin|oxed|inom|eta\b"
    r"|ar\b)|\r(?=ight|ho\b|angle)"
)
_REPAIRED = {"\t": "\\t", "\f": "\\f", "\b": "\\b", "\r": "\\r"}
"""A backslash and the letter after it that somebody took for one sign."""
_LOST_ROW = re.compile(r"(?<!\\)\\(?=[0-9-])")
_ESCAPED_TWICE = re.compile(
    r"(?<!\\)\\{2,4}(?=(?:frac|sqrt|text|left|right|pi|cdot|times|infty|alpha|beta|theta|sin|cos|tan|le|ge"
    r"|leq|geq|ne|in|cup"
    r"|cap|boxed|mathbb|pm|ln|log|circ|binom|overline|quad|bigg?|Bigg?)(?![a-z]))"
)
_ORDINAL = re.compile(r"(\d{1,9})(?:\s?\^\s?\{?\s?)?(?:\\(?:text|mathrm)\s?\{\s?)?(?:st|nd|rd|th)\s?\}{0,2}")
_SHORT_FRACTION = re.compile(r"\\frac\s?(\d)\s?(\d)(?!\d)")


def is_plain(text: str) -> bool:
    """Whether a text is a plain number or letter, as most answers are, which is in the one spelling already."""
    return (len(text) <= _DIGITS and text.isdecimal() and text.isascii()) or _PLAIN.fullmatch(text) is not None


def normalise(text: str) -> str:
    """The text in one spelling; linear in its length, and the same when done twice to its own result."""
    text = text.strip()
    if is_plain(text):
        return text
    if text.endswith("\\") and not text.endswith("\\\\"):
        text = text[:-1].rstrip()  # of a space
    text = _repaired(text)
    if "\\" in text or "," in text:
        text = _THOUSANDS.sub(",", text)
    text = _of_one_spelling(text)
    field = _FIELD.fullmatch(text) if text.startswith("{") else None
    text = field[1] if field else text
    if not (text[:1].isdigit() and text[-1:].isalnum()):
        text = _unwrap(text)
    if not (text.isalnum() and text.isascii()):
        text = _rewritten(text)
    comprehension = _SET_OF.fullmatch(text)
    if comprehension and comprehension[1] in comprehension[2]:
        text = comprehension[2].strip()
    ordinal = _ORDINAL.fullmatch(text)
    if ordinal:
        text = ordinal[1]
    if "\\frac" in text:
        text = _SHORT_FRACTION.sub(r"\\frac{\1}{\2}", text)
    return _IDLE_SPACE.sub("", text).strip() if " " in text else text


def _of_one_spelling(text: str) -> str:
    """With one name for each command, and one space where there is space."""
    if "\\" in text:
        text = _DROPPED.sub("", text)
        if "=" in text or not _OF_ONE_SPELLING.issuperset(_COMMAND.findall(text)):
            for pattern, replacement in _RENAMED:
                text = pattern.sub(replacement, text)
        if "\\over" in text:
            text = _without_over(text)
        if "\\text" in text or "\\mathrm" in text:
            text = settled(_UNITS, _joined_units, text, rounds=_MAX_UNITS)
    if "\\" in text or "~" in text:
        text = _SPACES.sub(" ", text)
    return " ".join(text.split())


def _joined_units(found: re.Match[str]) -> str:
    r"""``\text{m}^3/\text{s}`` and ``\text{N}\cdot\text{m}`` as one text, where they stand after a number."""
    before, one, power, sign, other, last = found.groups()
    sign = "/" if "/" in sign else " "
    powers = [f"^{{{exponent}}}" if exponent else "" for exponent in (power, last)]
    unit = f"{one.strip()}{powers[0]}{sign}{other.strip()}{powers[1]}"
    return found[0] if read_unit(unit) is None else rf"{before}\text{{{unit}}}"


def _without_over(text: str) -> str:
    r"""``{a\over b}`` as a fraction, from the innermost on."""
    text = settled(_OVER, r"\\frac{\1}{\2}", text, rounds=_MAX_OVERS)
    whole = _OVER_ALONE.fullmatch(text)
    return rf"{whole[1]}\frac{{{whole[2]}}}{{{whole[3]}}}" if whole else text


def _rewritten(text: str) -> str:
    """Without marks around an answer, and with one spelling of what has several."""
    text = _HEAD.sub("", text)
    if "\\" in text:
        text = _TAIL.sub("", text).strip()
        if "\\begin" in text:
            text = _CASES.sub(_as_list, text)
        text = _PARAMETER.sub(
            lambda said: rf",{said[1]}\in \mathbb{{{said[2]}}}{(said[3] or '').replace('_', '^')}", text
        )
    if not text.isascii():
        text = _LED_BY_HAN.sub(lambda led: "-" if led[0] == "负" else "", text)
    if "(" in text:
        text = _IN_BRACKETS.sub(r"\1 \2", text)
    if "[" in text and (text.startswith("]") or text.endswith("[")):
        text = _TURNED.sub(_as_interval, text)
    if "U" in text:
        text = _UNION.sub(r"\\cup ", text)
    if "^" in text and (column := _TRANSPOSED.fullmatch(text)):
        text = rf"\begin{{pmatrix}}{column[1].replace(',', chr(92) * 2)}\end{{pmatrix}}"
    text = _rewritten_number(text)
    if "C" in text:
        text = _CHOOSE.sub(_as_binomial, text)
    return text


def _rewritten_number(text: str) -> str:
    """With one spelling of money, repeating decimals and bases."""
    if not text[:1].isdigit():
        text = _CODE_MONEY.sub("", _SIGNED_MONEY.sub(r"-\1", text))
    if text.count(".") > 1 and _EUROPEAN.fullmatch(text):
        text = text.replace(".", "").replace(",", ".")
    if "." in text:
        text = _BAR_CYCLE.sub(lambda cycle: rf"{cycle[1]}\overline{{{cycle[2] or cycle[3]}}}", text)
    if "_" in text:
        text = _BASED_IN_BRACKETS.sub(r"\1_{\2}", text)
    return text


def _as_binomial(found: re.Match[str]) -> str:
    """``C(20,10)``, but ``C(3,4)`` is a point."""
    top, bottom = found[1] or found[2] or found[4], found[3] or found[5]
    return found[0] if found[4] and int(top) < int(bottom) else rf"\binom{{{top}}}{{{bottom}}}"


def _as_interval(found: re.Match[str]) -> str:
    """``]1,2[``, with the brackets turned outwards where an end is left out."""
    opener, ends, closer = found.groups()
    return f"{'(' if opener == ']' else '['}{ends}{')' if closer == '[' else ']'}"


def _as_list(rows: re.Match[str]) -> str:
    """Rows of an environment as a list, if each is one thing; with its condition beside it, it is another matter."""
    parts = [part.strip() for part in rows[2].split("\\\\") if part.strip()]
    return ", ".join(parts) if not any("," in part or "text" in part for part in parts) else rows[0]


def _repaired(text: str) -> str:
    """Without what is around an answer by mistake: lost and doubled backslashes, boxes, dollars between formulas."""
    if "\t" in text or "\f" in text or "\b" in text or "\r" in text:
        text = _DAMAGED.sub(lambda found: _REPAIRED[found[0]], text)
    text = _characters(text).strip()
    if "boxed" in text or "fbox" in text:
        inner = _BOXED.findall(text)
        alone = not _BOXED.sub("", text).strip(" $,.;")
        text = ", ".join(inner) if alone else _BOXED.sub(lambda box: box[1], text) if len(inner) == 1 else text
    if "\\begin" in text:
        text = _LOST_ROW.sub(r"\\\\", text)
    elif "\\\\" in text:
        text = _ESCAPED_TWICE.sub(r"\\", text)
    if text.count("$") > 2:  # noqa: PLR2004 (more than one formula)
        between = text.split("$")[::2]
        if all(part.strip(" ,;.") in ("", "and", "or") for part in between):
            text = text.replace("$", "")
    return text


def boxed_in(text: str) -> str:
    """What the boxes in a longer text hold, as a reference that is a whole solution has them; empty without boxes."""
    if "boxed" not in text or not _SOLUTION.search(text):
        return ""
    text = text if "\\begin" in text else _ESCAPED_TWICE.sub(r"\\", text)
    found = dict.fromkeys(_BOXED.findall(text))
    return ", ".join(box for box in found if box.count("\\{") == box.count("\\}"))


def as_words(normal: str) -> str:
    r"""The text as a reader hears it: ``\text{}`` opened, spaces closed up, case and final stop dropped."""
    opened = _TEXT.sub(r"\1", normal)
    return " ".join(opened.replace("\\", "").split()).strip(' "').rstrip(" .\"'").casefold()


def _characters(text: str) -> str:
    if text.isascii():
        return text
    text = _CUBE_ROOT.sub(lambda root: rf"\sqrt[3]{{{root[1] or root[2] or root[3]}}}", text)
    text = _BARE_ROOT.sub(lambda root: rf"\sqrt{{{root[1] or root[2] or root[3]}}}", text)
    pieces: list[str] = []
    run: dict[str, str] | None = None
    for character in text:
        table = next((t for t, _ in _RUNS if character in t), None)
        if run is not None and table is not run:
            pieces.append("}")
        if table is not None and table is not run:
            pieces.append(next(sign for t, sign in _RUNS if t is table) + "{")
        run = table
        pieces.append(table[character] if table is not None else _one(character))
    if run is not None:
        pieces.append("}")
    return "".join(pieces)


def _one(character: str) -> str:
    if character in _CHARACTERS:
        return _CHARACTERS[character]
    if "！" <= character <= "～":  # full-width ASCII
        return chr(ord(character) - 0xFEE0)
    digit = unicodedata.decimal(character, None)
    if digit is not None:
        return str(digit)
    return " " if character.isspace() else character


def peel(text: str) -> str:
    """The text without a long run of brackets that all close at its end."""
    opened = _NESTED.match(text)
    if opened is None:
        return text
    run = opened[0]
    inner = text[len(run) : -len(run)]
    is_closed = text[len(text) - len(run) :] == run[::-1].translate(_CLOSERS)
    return inner if is_closed and not any(sign in inner for sign in "(){}") else text


_CLOSERS = str.maketrans("({", ")}")


def _unwrap(text: str) -> str:
    """Takes off dollars, bold marks and the full stop around the whole, and braces or text commands that hold it."""
    for _ in range(8):
        before = text
        for opener, closer in _WRAPPERS:
            inner = text[len(opener) : -len(closer)]
            if text.startswith(opener) and text.endswith(closer) and inner and closer not in inner:
                text = inner.strip()
        if text.endswith(".") and not text.endswith("..") and not text.endswith("dots."):
            text = text[:-1].rstrip()
        if text.endswith("$") and text.count("$") == 1 and not text.endswith("\\$"):
            text = text[:-1].rstrip()
        said = _SAID.match(text)
        if said:
            text = text[said.end() :]
        text = text.strip("_") if text.startswith("__") and text.endswith("__") else text
        whole = _TEXT.fullmatch(text)
        if whole:
            text = whole[1].strip()
        elif text.startswith("{") and text.endswith("}") and _one_group(text):
            text = text[1:-1].strip()
        if text == before:
            return text
    return text


def _one_group(text: str) -> bool:
    """Whether the brace that opens the text closes at its end."""
    depth = 0
    escaped = False
    for position, character in enumerate(text):
        if escaped:
            escaped = False
        elif character == "\\":
            escaped = True
        elif character == "{":
            depth += 1
        elif character == "}":
            depth -= 1
            if depth == 0:
                return position == len(text) - 1
    return False
