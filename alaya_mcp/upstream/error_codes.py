"""The meaning of the error codes and types that engines and gateways send. Pure.

Sources: the public error references of OpenAI, DashScope, Moonshot, DeepSeek, Zhipu, Anthropic and LiteLLM.
"""

import json
from collections.abc import Iterator
from typing import Any, Final, Literal, cast

Meaning = Literal[
    "credentials", "access", "quota", "rate", "overloaded", "timeout", "context", "model", "filter", "request"
]

_WORDS: Final[dict[Meaning, tuple[str, ...]]] = {
    "credentials": ("invalidapikey", "incorrectapikey", "invalidauthentication", "authentication", "1002", "1003"),
    "access": ("accessdenied", "permissiondenied", "permission", "insufficientpermissions", "1220"),
    "quota": (
        "insufficientquota",
        "insufficientuserquota",
        "insufficientbalance",
        "accountoverdue",
        "exceededcurrentquota",
        "quotaexceeded",
        "billinghardlimitreached",
        "billingnotactive",
        "arrearage",
        "budgetexceeded",
        "1113",
    ),
    "rate": (
        "ratelimit",
        "ratelimitexceeded",
        "ratelimitreached",
        "toomanyrequests",
        "throttling",
        "throttlingratequota",
        "throttlingallocationquota",
        "throttlinguser",
        "limitrequests",
        "limitburstrate",
        "1302",
        "1303",
        "1305",
    ),
    "overloaded": ("overloaded", "engineoverloaded", "modeloverloaded", "serveroverloaded", "serviceunavailable"),
    "timeout": ("timeout", "requesttimeout", "gatewaytimeout", "responsetimeout"),
    "context": ("contextlengthexceeded", "contextwindowexceeded", "stringabovemaxlength", "1261"),
    "model": (
        "modelnotfound",
        "modelnotexist",
        "modelnotexists",
        "invalidmodel",
        "unknownmodel",
        "unsupportedmodel",
        "1211",
    ),
    "filter": ("contentfilter", "contentpolicyviolation", "datainspectionfailed", "sensitive", "1301"),
    "request": ("invalidparameter", "invalidrequest", "badrequest", "invalidargument", "unprocessableentity", "1210"),
}
_MEANINGS: Final[dict[str, Meaning]] = {word: meaning for meaning, words in _WORDS.items() for word in words}
_FIELDS: Final = ("code", "type", "status", "error_code", "errorCode")
_TELLING: Final = frozenset({401, 402, 403, 404, 408, 429, 502, 503, 504})
_DEPTH: Final = 3
_WORD_LENGTH: Final = 64
"""Longest `error` string that is read as a code rather than a sentence, in characters."""


def meaning_in_body(body: bytes) -> Meaning | None:
    """Return the meaning of the codes in an error's body; None if none is known."""
    try:
        value = json.loads(body.decode("utf-8-sig", "replace"))
    except (ValueError, RecursionError):
        return None
    return meaning_of(*_words(value, _DEPTH))


def meaning_of(*words: str | None) -> Meaning | None:
    """Return the meaning of the first known word; "request" only if no other is known."""
    least: Meaning | None = None
    for word in words:
        if word and (meaning := _MEANINGS.get(_plain(word))):
            if meaning != "request":
                return meaning
            least = meaning
    return least


def weighed(meaning: Meaning | None, status: int | None) -> Meaning | None:
    """Return the meaning, or None if the status is more specific: some engines call every error an invalid request."""
    return None if meaning == "request" and status in _TELLING else meaning


def _plain(word: str) -> str:
    """Return a word as the table spells it: `rate_limit_exceeded` and `RateLimitError` without case and separators."""
    plain = "".join(char for char in word.casefold() if char.isalnum())
    return plain.removesuffix("error").removesuffix("exception") if len(plain) > len("error") else plain


def _words(value: Any, depth: int) -> Iterator[str]:  # noqa: ANN401 any JSON value may come
    """Yield the words of an error, codes before types, inner objects before outer ones."""
    if not isinstance(value, dict) or not depth:
        return
    fields = cast("dict[str, Any]", value)
    for inner in ("error", "detail"):
        yield from _words(fields.get(inner), depth - 1)
        if isinstance(word := fields.get(inner), str) and len(word) <= _WORD_LENGTH:
            yield word
    for name in _FIELDS:
        word = fields.get(name)
        if isinstance(word, str) or (isinstance(word, int) and name != "status"):
            yield str(word)
