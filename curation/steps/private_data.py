"""Step ``private_data``: secrets and personal data.

Literals and regexes find the few texts that may hold something; only those are looked at by libraries: the patterns
of detect-secrets for keys and tokens, and the numbering plans of phonenumbers, a candidate at a time.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import phonenumbers
import polars as pl

from curation.steps.base import Rule, TextStep, of_the_few, option
from curation.steps.secrets import HINTS, secrets

_EMAIL = (
    r"(?:://[^\s/@]*:)?[A-Za-z0-9][A-Za-z0-9._%+#-]*[A-Za-z0-9]@(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?\.)+"
    r"(?:com|org|net|edu|gov|mil|info|biz|io|ai|co|me|dev|app|xyz|online|tech|store|club|cloud|shop|email|agency|cn|uk"
    r"|de|fr|jp|ru|in|it|nl|us|ca|au|br|es|kr|se|ch|eu|pl|at|be|dk|fi|no|tw|hk|sg|nz|mx|ar|cl|pe|za|tr|gr|pt|cz|sk|hu"
    r"|ro|bg|rs|hr|ua|by|kz|il|ir|sa|ae|pk|bd|lk|ng|ke|eg|ie|lt|lv|ee|lu|vn|th|my|ph|(?:co|ac|go|or|web)\.id)\b"
)
# What follows the password of a URL is a host, and whatever is secret there is found as a secret.
_FAKE_EMAIL = (
    r"(?i)^://|@(?:[\w-]+\.)*(?:example|test|sample|domain|company|e?mail|website|site|(?:lee)?t?code|foo|bar|foobar|xyz"
    r"|abc|aaa|bbb|xxx|acme|(?:my|your|some|any)[\w-]*|(?:server|host)\w?|[a-z]\d?)\.\w+(?:\.\w+)?$"
    r"|^(?:user[\w.+-]{0,6}|username\w*|(?:[\w-]+\.)?e?\.?mail\w*|test[\w.+-]*|foo|bar|baz|example|sample|name|root"
    r"|first[._]?last|your[._]?\w*|my[._]?\w*|some(?:one|body)|john(?:[._]?(?:doe|smith))?|jane(?:[._]?(?:doe|smith))?"
    r"|j\.?doe|alice|bob|charlie|admin|info|support|contact|hello|no-?reply|me|git|abc|xyz)@"
)

_CARD = re.compile(
    r"(?<![\d.-])(?<!\d )(?:\d{4}([ -])\d{4}\1\d{4}\1\d{4}|3[47]\d{2}([ -])\d{6}\2\d{5}|(?P<bare>\d{13,19}))"
    r"(?![ -]?\d|\.\d)",
    re.ASCII,
)
_IS = (
    r"(?:[\W_]|\b(?:numbers?|no|num|nr|is|was|at|on|my|the|me|us|him|her)\b|是|为|為|号|號|码|碼|番号|は|번호|[은는])"
    r"{0,12}$"
)
_CARD_NAME = re.compile(rf"(?i)(?:\b(?:card|visa|mastercard|amex)|卡号|卡號|信用卡|银行卡|銀行卡){_IS}")
_ISSUER = re.compile(r"4(?:\d{12}|\d{15}|\d{18})|(?:5[1-5]|2[2-7])\d{14}|3[47]\d{13}|6(?:011|5\d\d)\d{12}|62\d{14,17}")
_TEST_CARDS = frozenset(
    [
        *("4111111111111111", "4242424242424242", "4012888888881881", "4000056655665556", "4000000000000002"),
        *("4532015112830366", "4539578763621486", "4916338506082832", "5555555555554444", "5105105105105100"),
        *("5200828282828210", "2223003122003222", "378282246310005", "371449635398431", "6011111111111117"),
        "6011000990139424",
    ]
)

_PHONE = re.compile(
    r"(?<![\w.$+*/=^)}\]-])(?<![A-Za-z]\()(?:"
    r"(?P<abroad>\+[1-9]\d{0,2}(?:[ .-]?\(?\d{1,5}\)?){2,6})"
    r"|(?P<bracketed>\(\d{3}\) ?\d{3}-\d{4})"
    r"|(?P<american>(?:1[ .-])?\d{3}([ .-])\d{3}\4\d{4})"
    r"|(?P<chinese>1[3-9]\d{9}|1[3-9]\d([ -])\d{4}\6\d{4})"
    r"|(?P<local>\(?[08]\d{0,4}\)?(?:[ ./-]?\(?\d{2,8}\)?){1,5}|\d{10}|[2-9]\d{2}(?:[ .]\d{2,3}){2,3})"
    r")(?![\w*/=^(-]| ?[=*/^]|[ .]\d)",
    re.ASCII,
)
_REGIONS = {"american": "US", "chinese": "CN"}
_NAMES = (
    (r"电话|手机|座机|联系方式|号码|微信|热线|传真|微信同号", ("CN",)),
    (r"電話|携帯|手機|連絡先|市話", ("JP", "TW", "HK")),
    (r"전화|휴대폰|연락처|핸드폰", ("KR",)),
    (r"\bтел(?:ефон)?|\bмоб(?:ильный)?|\bзвоните", ("RU", "UA", "KZ", "BY")),
    (r"\btél(?:éphone)?|\bportable", ("FR", "BE", "CH", "CA")),
    (r"\btel[ée]fono|\bm[óo]vil|\bcelular|\btelefone", ("ES", "MX", "AR", "BR", "PT", "IT", "CO", "CL")),
    (r"\btelefon|\bhandy|\brufnummer|\bmobil", ("DE", "AT", "CH", "PL", "SE")),
    (
        r"\b(?:cell|i|tele|smart|mobile )?phone|\bmobile|\bcell|\btel|\bfax|\bhotline|\bwhatsapp|\bwechat|هاتف|ا?تصل",
        ("US", "GB", "DE", "FR", "IN", "AU", "CN", "JP", "IT", "NL", "SA", "EG"),
    ),
    (r"\b(?:call|text|dial|contact|reach)\b.{0,20}\b(?:at|on)|\b(?:call|text|dial) (?:me|us|him|her)", ("US",)),
)
_CALLED = tuple((re.compile(f"(?i)(?:{name}){_IS}"), regions) for name, regions in _NAMES)
_PHONE_NAME = re.compile(
    "(?i)(?:" + "|".join(name for name, _ in _NAMES) + r"|\b(?:call|text|dial|contact|reach)\b)[^\d\n]*$"
)
_NAME_CHARS = 40
_LEAST_LOCAL, _MOST_LOCAL = 9, 12
_FAKE_PHONE = re.compile(r"555|1234567|2345678|(\d)\1{5}|0{4}|123456|13800138000|8888")
# Ofcom's numbers for use in drama.
_DRAMA_PHONE = re.compile(r"(?:44|0)(?:2079460|1[1-9]\d1?4960|7700900|8081570|9098790|3069990)\d{3}")

_IBAN = re.compile(r"(?<![A-Za-z0-9])[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?(?![A-Za-z0-9])", re.ASCII)
_SHOWN_IBAN = re.compile(r"1234567|WEST|NWBK60161331926819|DE89370400440532013000|3000600001|(\d)\1{7}")
_IBAN_CHARS = {
    **dict.fromkeys(("NO",), 15),
    **dict.fromkeys(("BE",), 16),
    **dict.fromkeys(("DK", "FI", "NL"), 18),
    **dict.fromkeys(("AT", "EE", "KZ", "LT", "LU"), 20),
    **dict.fromkeys(("CH", "HR", "LI", "LV"), 21),
    **dict.fromkeys(("BG", "DE", "GB", "IE", "RS"), 22),
    **dict.fromkeys(("AE", "IL"), 23),
    **dict.fromkeys(("CZ", "ES", "PK", "RO", "SA", "SE", "SK"), 24),
    **dict.fromkeys(("PT",), 25),
    **dict.fromkeys(("IS", "TR"), 26),
    **dict.fromkeys(("FR", "GR", "IT"), 27),
    **dict.fromkeys(("CY", "HU", "PL"), 28),
    **dict.fromkeys(("BR", "EG", "UA"), 29),
}
_RESIDENT = re.compile(
    r"(?<!\d)[1-9]\d{5}(?:19|20)\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])\d{3}[\dXx](?!\d)", re.ASCII
)
_RESIDENT_NAME = re.compile(rf"(?:身份证|身份證){_IS}")
_RESIDENT_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_SHOWN_RESIDENT = ("11010519491231002X", "440524188001010014")
_SOCIAL = re.compile(r"(?<![\d-])(?!000|666|9)\d{3}-(?!00)\d{2}-(?!0000)\d{4}(?![\d-])", re.ASCII)
_SOCIAL_NAME = re.compile(rf"(?i)\b(?:ssn|social security){_IS}")
_SHOWN_SOCIAL = ("123-45-6789", "078-05-1120", "219-09-9999", "987-65-4321")

_IP = re.compile(r"(?<![\d.])(?:\d{1,3}\.){3}\d{1,3}(?![\d.]*\d)")

_SECRET_HINT = "|".join(HINTS)
# What the patterns above find holds one of these; \d and \b of Unicode cost polars ten times as much.
_CARD_HINT = r"[0-9]{4}[ -][0-9]{4,6}[ -][0-9]{4,5}|[0-9]{13}"
_PHONE_HINT = (
    r"\+[1-9][0-9 ().-]{8}|[0-9]{3}\)? ?[.-]?[0-9]{3}[ .-][0-9]{4}|1[3-9][0-9]{9}|1[3-9][0-9][ -][0-9]{4}[ -][0-9]{4}"
)
_IP_HINT = r"[0-9]\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]"
_LOCAL_HINT = (
    r"(?:电话|手机|座机|号码|热线|传真|電話|携帯|전화|휴대폰|연락처|[Tt]el|[Tt]él|[Pp]hone|[Mm]obil|[Mm]óvil|[Cc]ell?|[Ff]ax"
    r"|[Тт]ел|[Hh]andy|[Cc]all|[Hh]otline|WhatsApp|هاتف)[^0-9\n]{0,30}[0-9][0-9 ().+/-]{7}"
)
_ID_HINT = r"[A-Z]{2}[0-9]{2} ?[A-Z0-9]{4} ?[A-Z0-9]{4}|身份[证證]|(?i:ssn|social security)[^0-9\n]{0,30}[0-9]"


@dataclass(frozen=True)
class PrivateData(TextStep):
    """Drops completions that hold what belongs to somebody.

    Reasons, in this order. ``secret``: see ``curation.steps.secrets``. ``card_number``: digits of an issuer's range
    with a right check digit (Luhn), in the groups of a printed card, or right after a word such as "card".
    ``id_number``: an IBAN with right check digits; a number of a resident of China, or a social security number of
    the United States, after a word that says so. ``email``: an address. ``phone``: a number that its country's
    numbering plan knows, written with ``+`` or with a bracketed area code; or, in groups of North America or as a
    mobile number of China, after a word such as "call" or "手机"; or, in any form, right after such a word in the
    country's language. ``ip_address``: a public IPv4 address; off, as versions look like it.

    What is there for show stays: reserved domains (``example.com``), names such as ``user@`` and ``john.doe@``, test
    cards, exchange 555, runs of one digit, keys that say "example". Bare digits are taken for numbers.

    Value: how many different ones there are of the kind. There is no detail: what belongs to somebody is not repeated.

    Args:
        secrets: whether keys and tokens are looked for.
        cards: whether card numbers are.
        emails: whether addresses are.
        phones: whether phone numbers are.
        ids: whether bank accounts and numbers of residents are.
        ip_addresses: whether public IPv4 addresses are.

    Example:
        ``"Write to li.wei@tsinghua.edu.cn"`` is dropped; ``"Write to user@example.com"`` is kept.

    Source:
        Patterns of secrets of Yelp's detect-secrets, numbering plans of Google's libphonenumber; which numbers count
        is this project's.
    """

    name: ClassVar[str] = "private_data"
    secrets: bool = option(default=True)
    cards: bool = option(default=True)
    emails: bool = option(default=True)
    phones: bool = option(default=True)
    ids: bool = option(default=True)
    ip_addresses: bool = option(default=False)

    def measures(self) -> Sequence[Mapping[str, pl.Expr]]:
        """The few texts that may hold a secret, or a number that is somebody's."""
        text, numbers = pl.col("completion"), pl.col("numbers_")
        hints = {"card_": _CARD_HINT, "phone_": _PHONE_HINT, "ip_": _IP_HINT}
        # One search for all kinds of number costs as much as one for each; a null text is searched like any other.
        # Those that begin with letters are searched for by other means, which one that does not would rule out.
        numbers_ = _where(text, "|".join(hints.values())).fill_null("")
        found = {"secret_": _where(text, _SECRET_HINT), "numbers_": numbers_}
        return (
            {**found, "named_": _where(text, _LOCAL_HINT), "id_": _where(text, _ID_HINT)},
            {name: _where(numbers, hint) for name, hint in hints.items()},
            {"phone_": pl.coalesce("phone_", "named_")},
        )

    def rules(self) -> Sequence[Rule]:
        """What does most harm first."""
        emails, text = _emails(pl.col("completion")), pl.col("completion")
        rules = {
            "secret": (self.secrets, _found(pl.col("secret_"), secrets), _count(text, secrets)),
            "card_number": (self.cards, _found(pl.col("card_"), _cards), _count(text, _cards)),
            "id_number": (self.ids, _found(pl.col("id_"), _ids), _count(text, _ids)),
            "email": (self.emails, emails.list.len() > 0, emails.list.n_unique()),
            "phone": (self.phones, _found(pl.col("phone_"), _phones), _count(text, _phones)),
            "ip_address": (self.ip_addresses, _found(pl.col("ip_"), _addresses), _count(text, _addresses)),
        }
        return [
            Rule(reason=reason, drops=drops, value=count) for reason, (is_on, drops, count) in rules.items() if is_on
        ]


def _where(text: pl.Expr, hint: str) -> pl.Expr:
    return pl.when(text.str.contains(hint)).then(text)


def _found(few: pl.Expr, find: Callable[[str], Iterator[str]]) -> pl.Expr:
    """Whether something is found in the texts that are there."""

    def judged(texts: pl.Series) -> list[bool]:
        return [next(find(each), None) is not None for each in texts]

    return few.map_batches(lambda texts: of_the_few(texts, judged, pl.Boolean()), return_dtype=pl.Boolean)


def _count(texts: pl.Expr, find: Callable[[str], Iterator[str]]) -> pl.Expr:
    """How many different ones are found."""
    return texts.map_batches(
        lambda few: pl.Series([len(set(find(each))) for each in few], dtype=pl.Int64), return_dtype=pl.Int64
    )


def _emails(text: pl.Expr) -> pl.Expr:
    addresses = pl.when(text.str.contains("@", literal=True)).then(text).str.extract_all(_EMAIL)
    return addresses.list.filter(~pl.element().str.contains(_FAKE_EMAIL))


def _cards(text: str) -> Iterator[str]:
    for match in _CARD.finditer(text):
        digits = re.sub(r"\D", "", match.group())
        is_card = _ISSUER.fullmatch(digits) and _has_check_digit(digits) and digits not in _TEST_CARDS
        if is_card and (match["bare"] is None or _is_named(match, _CARD_NAME)):
            yield digits


def _is_named(match: re.Match[str], name: re.Pattern[str]) -> bool:
    """Whether a word says, shortly before a number, what it is."""
    return name.search(_before(match)) is not None


def _before(match: re.Match[str]) -> str:
    return match.string[max(0, match.start() - _NAME_CHARS) : match.start()]


def _has_check_digit(digits: str) -> bool:
    """Luhn's check, ISO/IEC 7812-1."""
    doubled = (sum(divmod(2 * int(digit), 10)) for digit in digits[-2::-2])
    return (sum(map(int, digits[::-2])) + sum(doubled)) % 10 == 0


def _phones(text: str) -> Iterator[str]:
    for match in _PHONE.finditer(text):
        kind, number = str(match.lastgroup), match.group()
        digits = re.sub(r"\D", "", number)
        if _FAKE_PHONE.search(digits) or _DRAMA_PHONE.fullmatch(digits):
            continue
        if kind == "abroad":
            is_phone = _is_dialled(number.replace("(0)", ""), None)
        elif kind == "bracketed":
            is_phone = _is_dialled(number, "US")
        elif kind in _REGIONS and (number.isdigit() or not {"-", "."}.isdisjoint(number)):
            is_phone = _is_named(match, _PHONE_NAME) and _is_dialled(number, _REGIONS[kind])
        else:
            # Where nothing else marks it as a number of some country, the word must stand right before it.
            is_phone = _LEAST_LOCAL <= len(digits) <= _MOST_LOCAL and any(
                _is_dialled(number, region) for region in _regions_called(match)
            )
        if is_phone:
            yield number


def _regions_called(match: re.Match[str]) -> tuple[str, ...]:
    """The countries whose word for a telephone stands right before a number."""
    before = _before(match)
    return next((regions for name, regions in _CALLED if name.search(before)), ())


def _is_dialled(number: str, region: str | None) -> bool:
    try:
        return phonenumbers.is_valid_number(phonenumbers.parse(number, region))
    except phonenumbers.NumberParseException:
        return False


def _ids(text: str) -> Iterator[str]:
    """Bank accounts (IBAN), and numbers of residents of China and the United States."""
    for match in _IBAN.finditer(text):
        account = match.group().replace(" ", "")
        if _has_check_97(account) and not _SHOWN_IBAN.search(account):
            yield account
    for match in _RESIDENT.finditer(text):
        number = match.group().upper()
        if _has_check_11(number) and number not in _SHOWN_RESIDENT and _is_named(match, _RESIDENT_NAME):
            yield number
    for match in _SOCIAL.finditer(text):
        if match.group() not in _SHOWN_SOCIAL and _is_named(match, _SOCIAL_NAME):
            yield match.group()


def _has_check_97(account: str) -> bool:
    """The check digits of an IBAN, ISO 13616, of a length that its country gives it."""
    if len(account) != _IBAN_CHARS.get(account[:2]):
        return False
    return int("".join(str(int(char, 36)) for char in account[4:] + account[:4])) % 97 == 1


def _has_check_11(number: str) -> bool:
    """The check digit of a resident's number of China, GB 11643-1999."""
    total = sum(weight * int(digit) for weight, digit in zip(_RESIDENT_WEIGHTS, number, strict=False))
    return "10X98765432"[total % 11] == number[-1]


def _addresses(text: str) -> Iterator[str]:
    for match in _IP.finditer(text):
        try:
            is_public = ipaddress.IPv4Address(match.group()).is_global
        except ipaddress.AddressValueError:
            continue
        if is_public:
            yield match.group()
