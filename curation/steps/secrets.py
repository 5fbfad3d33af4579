"""Keys and tokens in a text, by the forms that their makers gave them.

Every form has a few signs that stand in each of its secrets (``HINTS``), so one search for all leaves few texts to look
at. What is there for show is no secret: a placeholder, a key that says "example", the password of ``localhost``.

Source:
    Patterns of Yelp's detect-secrets where it has them; the forms that it lacks follow their makers' documentation.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from functools import cache
from pkgutil import resolve_name

_DETECTORS = (
    "azure_storage_key:AzureStorageKeyDetector",
    "github_token:GitHubTokenDetector",
    "gitlab_token:GitLabTokenDetector",
    "npm:NpmDetector",
    "openai:OpenAIDetector",
    "pypi_token:PypiTokenDetector",
    "sendgrid:SendGridDetector",
    "slack:SlackDetector",
    "square_oauth:SquareOAuthDetector",
    "stripe:StripeDetector",
)
"""Loaded by the recipes that look for secrets, as they take a tenth of a second."""

_BREAK = r"(?:\s|\\[nr]|[\"'+\\])*"
_OWN = (
    # An access key of AWS; of its rarer kinds only with a digit, as ASIA begins words of capital letters.
    r"(?<![A-Za-z0-9])(?:AKIA|(?:A3T[A-Z0-9]|ABIA|ACCA|ASIA)(?=[A-Z]*[0-9]))[A-Z0-9]{16}(?![A-Za-z0-9])",
    (
        r"(?i:aws)[\w.-]{0,20}(?i:key|secret|token)[\w.-]{0,10}[\"']?\s*(?:=>|[:=])\s*[\"']?"
        r"(?=[A-Za-z/+]*[0-9])(?=[a-z0-9/+]*[A-Z])[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+=])"
    ),
    # The body of a private key, in lines or with escaped breaks, after the header lines of PEM and PGP.
    (
        rf"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY(?: BLOCK)?-----{_BREAK}(?:[A-Z][\w-]*:[^\n\\]*{_BREAK}){{0,4}}"
        rf"(?:[A-Za-z0-9+/=]{{16,}}{_BREAK}){{3}}"
    ),
    r"\bsk-(?:ant|proj|svcacct|admin|None|or-v1|lf)-[A-Za-z0-9_-]{32,}",
    r"(?<![\w-])sk-(?=[A-Za-z]*[0-9])(?=[0-9]*[A-Za-z])[A-Za-z0-9]{32,}(?![\w-])",
    r"\bhf_[A-Za-z]{34}\b",
    r"\bAIza[A-Za-z0-9_-]{35}(?![A-Za-z0-9_-])",
    r"\bya29\.[A-Za-z0-9_-]{40,}",
    r"\bGOCSPX-[A-Za-z0-9_-]{28}",
    r"\bgithub_pat_[A-Za-z0-9_]{60,}",
    r"\bxapp-[0-9]-[A-Z0-9]+-[0-9]+-[a-f0-9]{40,}",
    r"\bwhsec_[A-Za-z0-9+/]{32,}",
    r"\bnpm_[A-Za-z0-9]{36}\b",
    r"\bdo[opr]_v1_[a-f0-9]{64}\b",
    r"\bshp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}\b",
    r"\bSK[0-9a-f]{32}\b",
    r"(?<![0-9])[0-9]{8,10}:AA[A-Za-z0-9_-]{33}(?![A-Za-z0-9_-])",
    r"\bgsk_[A-Za-z0-9]{50,}",
    r"\bxai-[A-Za-z0-9]{70,}",
    r"\br8_[A-Za-z0-9]{37,40}\b",
    r"\bnvapi-[A-Za-z0-9_-]{60,}",
    r"\btvly-(?:dev-|prod-)?[A-Za-z0-9]{32}\b",
    r"\bpplx-[A-Za-z0-9]{40,}",
    r"\blsv2_(?:pt|sk)_[a-f0-9]{32}_[a-f0-9]{10}\b",
    r"\bdckr_pat_[A-Za-z0-9_-]{27}",
    r"\bAGE-SECRET-KEY-1[A-Z0-9]{58}\b",
    r"\bhv[sb]\.[A-Za-z0-9_-]{90,}",
    r"\bATATT3[A-Za-z0-9_=-]{150,}",
    r"\bsq0atp-[A-Za-z0-9_-]{22}",
    r"\bEAAA[A-Za-z0-9_-]{60}(?![A-Za-z0-9_-])",
    r"\bLTAI[A-Za-z0-9]{16,20}\b",
    r"\bAKID(?=[A-Za-z]*[0-9])[A-Za-z0-9]{32}\b",
    r"\bPMAK-[a-f0-9]{24}-[a-f0-9]{34}\b",
    r"\blin_api_[A-Za-z0-9]{40}\b",
    r"\bsntrys_[A-Za-z0-9+/=_]{60,}",
    r"\bglsa_[A-Za-z0-9]{32}_[a-fA-F0-9]{8}\b",
    r"\bdiscord(?:app)?\.com/api/webhooks/[0-9]{17,20}/[A-Za-z0-9_-]{60,}",
    r"(?<![A-Za-z0-9_.-])[MNO][A-Za-z0-9_-]{23,27}\.[A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{27,40}(?![A-Za-z0-9_.-])",
)
_ASSIGNED = re.compile(
    r"(?i)(?:api|auth|access|secret|client|private|bearer)[_-]?(?:api[_-]?|access[_-]?)?(?:key|token|secret)[\"']?"
    r"\s*(?::|=>|=)\s*[\"']?(?P<secret>(?=[a-z_-]*[0-9])(?=[0-9_-]*[a-z])[a-z0-9_-]{32,128})(?![a-z0-9_.(\[-])"
)
"""What is assigned to a name of a secret, of a form that no maker is known for."""
_SIGNED_TOKEN = re.compile(r"\beyJ[A-Za-z0-9_-]{10,}\.(?P<claims>eyJ[A-Za-z0-9_-]{10,})\.[A-Za-z0-9_-]{20,}")
_PASSWORD = re.compile(
    r"\b[a-z][a-z0-9+.-]{1,20}://[^\s/:@\"'`<>]{0,60}:(?P<password>[^\s/:@\"'`<>${}%()\[\]]{8,80})@(?P<host>[\w.-]+)"
)

HINTS = (
    *(
        "AKIA",
        "ASIA",
        "ABIA",
        "ACCA",
        "A3T",
        "AccountKey=",
        "gh[oprsu]_",
        "github_pat_",
        "gl(?:pat|dt|ft|soat|rt|cbt|imt|ptt|agent|oas)-",
    ),
    "(?:aws|AWS|Aws)[A-Za-z_.-]{0,20}(?i:key|secret|token)",
    *("GR1348941", "_authToken=", "sk-[A-Za-z0-9_-]{20}", "pypi-", r"SG\.", "xox", r"hooks\.slack", "sq0", "k_live_"),
    *("-----BEGIN", "hf_", "AIza", r"ya29\.", "GOCSPX-", "xapp-", "whsec_", "npm_", "do[opr]_v1_", "shp[a-z]{2}_"),
    *("SK[0-9a-f]{32}", ":AA", "gsk_", "xai-", "r8_", "nvapi-", "tvly-", "pplx-", "lsv2_", "dckr_pat_", "AGE-SECRET"),
    *(r"hv[bs]\.", "ATATT3", "EAAA", "LTAI", "AKID", "PMAK-", "lin_api_", "sntrys_", "glsa_", "[Dd](?i:iscord)"),
    *("(?:[Kk]ey|KEY|oken|OKEN|ecret|ECRET)[\"']? ?[:=]>? ?[\"']?[A-Za-z0-9_-]{32}",),
    *(r"\.eyJ", "://[^/@ ]{0,60}:[^/@ ]{8,80}@"),
)
"""One of these regexes finds something in every text with a secret; each begins with a literal, or nearly so."""

_FAKE = re.compile(
    r"(?i)example|your|dummy|placeholder|fake|xxxx|0123456789|1234567890|abcdefgh|\.\.\.|redacted|insert|replace"
)
_FAKE_PASSWORD = re.compile(r"(?i)pass|secret|pwd|token|key|change|admin|user|test|sample|qwerty|letmein|1234|\*\*\*")
_FAKE_HOST = re.compile(
    r"(?i)(?:^|\.)(?:localhost|local|test|invalid|example(?:\.\w+)?|(?:my|your|some)?-?(?:host|server|domain|proxy|db|site"
    r"|database)\w*\.\w+)$|^[^.]+$|^127\.|^(?:10|172|192)\."
)
_LEAST_DISTINCT = 8


def secrets(text: str) -> Iterator[str]:
    """The secrets in a text, each as often as it stands there."""
    for pattern in _patterns():
        for match in pattern.finditer(text):
            if _is_real(match.group()):
                yield match.group()
    for match in _ASSIGNED.finditer(text):
        if _is_real(match["secret"]):
            yield match["secret"]
    for match in _SIGNED_TOKEN.finditer(text):
        if _is_real(match.group()) and not _FAKE.search(_decoded(match["claims"])):
            yield match.group()
    for match in _PASSWORD.finditer(text):
        password = match["password"]
        is_mixed = any(map(str.isalpha, password)) and not password.islower() and not password.isupper()
        if (
            (is_mixed or any(map(str.isdigit, password)))
            and not _FAKE_PASSWORD.search(password)
            and not _FAKE_HOST.search(match["host"])
        ):
            yield match.group()


def _is_real(secret: str) -> bool:
    return len(set(secret)) >= _LEAST_DISTINCT and not _FAKE.search(secret)


def _decoded(claims: str) -> str:
    """The claims of a JSON web token; empty where they are none."""
    try:
        return base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)).decode(errors="replace")
    except binascii.Error:
        return ""


@cache
def _patterns() -> tuple[re.Pattern[str], ...]:
    detectors = (resolve_name(f"detect_secrets.plugins.{name}") for name in _DETECTORS)
    return (*(pattern for detector in detectors for pattern in detector().denylist), *map(re.compile, _OWN))
