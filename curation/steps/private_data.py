"""Step ``private_data``: secrets and personal data.

Literals and regexes find the few texts that may hold something; only those are looked at by libraries: the patterns
of detect-secrets for keys and tokens, and the numbering plans of phonenumbers, a candidate at a time.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import ClassVar

import phonenumbers
import polars as pl
from detect_secrets.plugins.aws import AWSKeyDetector
from detect_secrets.plugins.azure_storage_key import AzureStorageKeyDetector
from detect_secrets.plugins.base import RegexBasedDetector
from detect_secrets.plugins.github_token import GitHubTokenDetector
from detect_secrets.plugins.gitlab_token import GitLabTokenDetector
from detect_secrets.plugins.npm import NpmDetector
from detect_secrets.plugins.openai import OpenAIDetector
from detect_secrets.plugins.pypi_token import PypiTokenDetector
from detect_secrets.plugins.sendgrid import SendGridDetector
from detect_secrets.plugins.slack import SlackDetector
from detect_secrets.plugins.square_oauth import SquareOAuthDetector
from detect_secrets.plugins.stripe import StripeDetector

from curation.steps.base import Rule, TextStep, of_the_few, option

_DETECTORS: Sequence[type[RegexBasedDetector]] = (
    AWSKeyDetector,
    AzureStorageKeyDetector,
    GitHubTokenDetector,
    GitLabTokenDetector,
    NpmDetector,
    OpenAIDetector,
    PypiTokenDetector,
    SendGridDetector,
    SlackDetector,
    SquareOAuthDetector,
    StripeDetector,
)
_MORE_SECRETS = (
    re.compile(r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY(?: BLOCK)?-----\s+(?:[A-Za-z0-9+/=]{16,}\s*){3}"),
    re.compile(r"\bsk-(?:ant|proj)-[A-Za-z0-9_-]{40,}"),
    re.compile(r"\bhf_[A-Za-z]{34}\b"),
    re.compile(r"\bAIza[A-Za-z0-9_-]{35}\b"),
    re.compile(r"\bgithub_pat_[A-Za-z0-9_]{60,}"),
)
_SECRET_HINTS = (
    *("AKIA", "ASIA", "ABIA", "ACCA", "A3T", "aws", "AWS", "AccountKey=", "ghp_", "gho_", "ghu_", "ghs_", "ghr_"),
    *("github_pat_", "glpat-", "gldt-", "glft-", "glsoat-", "glrt-", "GR1348941", "glcbt-", "glimt-", "glptt-"),
    *("glagent-", "gloas-", "_authToken=", "sk-", "pypi-", "SG.", "xox", "XOX", "hooks.slack.com", "sq0csp-"),
    *("k_live_", "-----BEGIN", "hf_", "AIza"),
)
_FAKE_SECRET = re.compile(r"(?i)example|your|dummy|placeholder|fake|xxxx|0123456789|1234567890|abcdefgh|\.\.\.")
_LEAST_DISTINCT = 8

_EMAIL = (
    r"[A-Za-z0-9][A-Za-z0-9._%+-]*[A-Za-z0-9]@(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?\.)+"
    r"(?:com|org|net|edu|gov|mil|info|biz|io|ai|co|me|dev|app|cn|uk|de|fr|jp|ru|in|it|nl|us|ca|au|br|es|kr|se|ch|eu|pl"
    r"|at|be|dk|fi|no|tw|hk|sg|nz|mx|ar|za|tr|gr|pt|cz|hu|ro|ua|il|ie|vn|th|my|ph)\b"
)
_FAKE_EMAIL = (
    r"(?i)@(?:[\w-]+\.)*(?:example|test|sample|domain|mydomain|yourdomain|company|yourcompany|email|mail|website|site"
    r"|server|host|foo|bar|foobar|xyz|abc|acme|some\w*|any\w*)\.\w+(?:\.\w+)?$"
    r"|^(?:user(?:name)?\w{0,3}|test\w*|foo|bar|baz|example|name|your[._]?\w*|my[._]?\w*|some(?:one|body)|john(?:[._]?doe)?"
    r"|jane(?:[._]?doe)?|j\.?doe|alice|bob|charlie|admin|info|support|contact|hello|no-?reply|me|git|abc|xyz|email)@"
)

_CARD = re.compile(
    r"(?<![\d.-])(?:\d{4}([ -])\d{4}\1\d{4}\1\d{4}|3[47]\d{2}([ -])\d{6}\2\d{5}|(?P<bare>\d{13,19}))(?!-?\d|\.\d)"
)
_CARD_NAME = re.compile(r"(?i)(?:\b(?:card|visa|mastercard|amex)\b|卡号|信用卡|银行卡)[^\d\n]*$")
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
    r"(?<![\w.$+*/=^)}\]-])(?:"
    r"(?P<abroad>\+[1-9]\d{0,2}(?:[ .-]?\(?\d{1,5}\)?){2,6})"
    r"|(?P<bracketed>\(\d{3}\) ?\d{3}-\d{4})"
    r"|(?P<american>(?:1[ .-])?\d{3}([ .-])\d{3}\4\d{4})"
    r"|(?P<chinese>1[3-9]\d{9})"
    r")(?![\w*/=^-]|\.\d)"
)
_REGIONS = {"abroad": None, "bracketed": "US", "american": "US", "chinese": "CN"}
_PHONE_NAME = re.compile(
    r"(?i)(?:电话|手机|联系方式|号码|微信|\b(?:phone|mobile|cell|tel|telephone|call|text|dial|fax|contact|reach|hotline"
    r"|whatsapp|wechat)\b)[^\d\n]*$"
)
_NAME_CHARS = 40
_FAKE_PHONE = re.compile(r"555|1234567|2345678|(\d)\1{5}|0{4}|123456|13800138000|8888")

_IP = re.compile(r"(?<![\d.])(?:\d{1,3}\.){3}\d{1,3}(?![\d.]*\d)")

# What the patterns above find holds one of these; \d and \b of Unicode cost polars ten times as much.
_CARD_HINT = r"[0-9]{4}[ -][0-9]{4,6}[ -][0-9]{4,5}|[0-9]{13}"
_PHONE_HINT = r"\+[1-9][0-9 ().-]{8}|[0-9]{3}\)? ?[.-]?[0-9]{3}[ .-][0-9]{4}|1[3-9][0-9]{9}"
_IP_HINT = r"[0-9]\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]"


@dataclass(frozen=True)
class PrivateData(TextStep):
    """Drops completions that hold what belongs to somebody.

    Reasons, in this order. ``secret``: a key or token by the form its maker gave it (AWS, GitHub, OpenAI, Slack, a
    private key with its body, ...). ``card_number``: digits of an issuer's range with a right check digit (Luhn),
    in the groups of a printed card, or after a word such as "card". ``email``: an address. ``phone``: a number that
    its country's numbering plan knows, written with ``+`` or with a bracketed area code, or, in groups of North
    America or as a mobile number of China, after a word such as "call" or "手机". ``ip_address``: a public IPv4
    address; off, as versions look like it.

    What is there for show stays: reserved domains (``example.com``), names such as ``user@`` and ``john.doe@``, test
    cards, exchange 555, runs of one digit, keys that say "example". Bare digits are taken for numbers.

    Value: how many different ones there are of the kind. There is no detail: what belongs to somebody is not repeated.

    Args:
        secrets: whether keys and tokens are looked for.
        cards: whether card numbers are.
        emails: whether addresses are.
        phones: whether phone numbers are.
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
    ip_addresses: bool = option(default=False)

    def measures(self) -> Sequence[Mapping[str, pl.Expr]]:
        """The few texts that may hold a secret, or a number that is somebody's."""
        text, numbers = pl.col("completion"), pl.col("numbers_")
        secrets = "|".join(map(re.escape, _SECRET_HINTS))
        hints = {"card_": _CARD_HINT, "phone_": _PHONE_HINT, "ip_": _IP_HINT}
        # One search for all kinds of number costs as much as one for each; a null text is searched like any other.
        return (
            {"secret_": _where(text, secrets), "numbers_": _where(text, "|".join(hints.values())).fill_null("")},
            {name: _where(numbers, hint) for name, hint in hints.items()},
        )

    def rules(self) -> Sequence[Rule]:
        """What does most harm first."""
        emails, text = _emails(pl.col("completion")), pl.col("completion")
        rules = {
            "secret": (self.secrets, _found(pl.col("secret_"), _secrets), _count(text, _secrets)),
            "card_number": (self.cards, _found(pl.col("card_"), _cards), _count(text, _cards)),
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


def _secrets(text: str) -> Iterator[str]:
    for pattern in _secret_patterns():
        for match in pattern.finditer(text):
            secret = match.group()
            if len(set(secret)) >= _LEAST_DISTINCT and not _FAKE_SECRET.search(secret):
                yield secret


@cache
def _secret_patterns() -> tuple[re.Pattern[str], ...]:
    return (*(pattern for detector in _DETECTORS for pattern in detector().denylist), *_MORE_SECRETS)


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
    before = match.string[max(0, match.start() - _NAME_CHARS) : match.start()]
    return name.search(before) is not None


def _has_check_digit(digits: str) -> bool:
    """Luhn's check, ISO/IEC 7812-1."""
    doubled = (sum(divmod(2 * int(digit), 10)) for digit in digits[-2::-2])
    return (sum(map(int, digits[::-2])) + sum(doubled)) % 10 == 0


def _phones(text: str) -> Iterator[str]:
    for match in _PHONE.finditer(text):
        kind, number = str(match.lastgroup), match.group()
        if _FAKE_PHONE.search(re.sub(r"\D", "", number)) or not _is_dialled(number, _REGIONS[kind]):
            continue
        if kind in ("abroad", "bracketed") or _is_named(match, _PHONE_NAME):
            yield number


def _is_dialled(number: str, region: str | None) -> bool:
    try:
        return phonenumbers.is_valid_number(phonenumbers.parse(number, region))
    except phonenumbers.NumberParseException:
        return False


def _addresses(text: str) -> Iterator[str]:
    for match in _IP.finditer(text):
        try:
            is_public = ipaddress.IPv4Address(match.group()).is_global
        except ipaddress.AddressValueError:
            continue
        if is_public:
            yield match.group()
