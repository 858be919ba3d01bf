"""What a person at a terminal can do about an error, in commands and shell lines: one row for each cause. Pure."""

import math
from typing import Any, Final, get_args

from alaya_mcp.error_causes import LOADING, Cause, FileCause, SettingCause, UnexpectedCause
from alaya_mcp.error_sentences import SAME_STEPS, Row, said, what_happened
from alaya_mcp.errors import AlayaError

_DOCTOR: Final = "`alayanew-mcp doctor` shows where each value comes from."
_EXAMINE: Final = "Run `alayanew-mcp doctor` to see which part of the way fails."
_AGAIN: Final = "Ask again."
_LATER: Final = "Ask again later."
_CONFIG_FILE: Final = "Correct it, or name another one: `export ALAYA_CONFIG=FILE`."
_WHOSE: Final = "Check in the Alaya NeW console whose key pair it is, and check ALAYA_BASE_URL."
_NAME_ONE: Final = "Name the one that is meant, by its name or id: `alayanew-mcp chat NAME`."
_MAY_COST_TWICE: Final = "The engine may have begun to generate, so asking again may cost twice."
_ELSEWHERE: Final = "Run `alayanew-mcp doctor`: it looks at each step in between."
_KEY_VARIABLES: Final = ("ALAYA_ACCESS_KEY", "ALAYA_SECRET_KEY")


def error_lines(error: AlayaError) -> str:
    """An error for a person: what happened, and below it what to do."""
    return f"{what_happened(error)}\n{next_step(error)}"


def error_fields(error: AlayaError) -> dict[str, Any]:
    """An error for a program at the other end of a pipe."""
    message = f"{what_happened(error)} {next_step(error)}"
    return {"code": error.code, "cause": error.cause, "message": message, "retryable": error.retryable}


def next_step(error: AlayaError) -> str:
    """What to do, ending with one thing to do."""
    step = said(STEPS.get(error.cause, _ELSEWHERE), error)
    if error.retry_after is not None:
        step = f"Ask again in {math.ceil(error.retry_after)} s."
    return f"{_MAY_COST_TWICE} {step}" if error.may_have_begun else step


def _settings(error: AlayaError) -> str:
    """The shell lines that set what is missing or wrong; what a file holds is corrected there."""
    held = [setting.source for setting in error.settings if setting.source != setting.variable]
    names = [setting.variable for setting in error.settings if setting.source == setting.variable]
    steps = [_DOCTOR]
    if any(name in _KEY_VARIABLES for name in names):
        steps.insert(0, "The pair is the Open API Key from the Alaya NeW console; --sandbox does without one.")
    if held:
        steps.append(f"Correct {' and '.join(held)}.")
    if names:
        steps.append(f"Set it in this shell: {' and '.join(f'`export {name}=...`' for name in names)}.")
    return " ".join(steps)


def _pass_a_model(otherwise: str) -> Row:
    return lambda error: (
        "Ask one of these, exactly as written: /model NAME, or --model NAME at the start."
        if error.candidates
        else otherwise
    )


def _by_plane(control: str, data: str) -> Row:
    return lambda error: data if error.plane == "data" else control


_LOADING: Final = "Loading can take minutes. Ask again, which waits for it as long as --timeout allows."
_CONSOLE_NAME: Final = "Check the deployment's served name in the Alaya NeW console."

STEPS: Final[dict[Cause, Row]] = {
    **dict.fromkeys(get_args(SettingCause), _settings),
    **dict.fromkeys(get_args(FileCause), _CONFIG_FILE),
    "profile_unknown": "Choose one of them with `export ALAYA_PROFILE=NAME`, or add the profile.",
    "certificates_unusable": "Correct both variables (a file and a folder of PEM certificates), or run `unset "
    "SSL_CERT_FILE SSL_CERT_DIR`.",
    "proxy_unusable": lambda error: f"Set {error.source} to an http, https, socks5 or socks5h URL, or unset it.",
    "proxy_refused": lambda error: f"Correct or unset {error.proxy}.",
    "reference_unusable": _NAME_ONE,
    "deployment_not_named": "`export ALAYA_SERVICE_ID=NAME` sets a default. Name one: `alayanew-mcp chat NAME` (its "
    "name, its id or an alias).",
    "deployment_none_running": lambda error: (
        "Start one in the Alaya NeW console, or name one that is starting: `alayanew-mcp chat NAME`."
        if error.known
        else _WHOSE
    ),
    "name_ambiguous": _NAME_ONE,
    "key_pair_rejected": f"{_DOCTOR} Copy both halves of the Open API Key from the Alaya NeW console there again.",
    "apikey_rejected": "Renew the deployment's apikey in the Alaya NeW console; a change there can take a minute to "
    "arrive.",
    "list_denied": "Name the deployment, which needs no list: `alayanew-mcp chat NAME`.",
    "deployment_unknown": lambda error: (
        "Name it by its id, which the Alaya NeW console shows: `alayanew-mcp chat ID`."
        if error.because
        else f"A deployment of another account cannot be seen with this key pair. {_NAME_ONE}"
    ),
    "name_unknown": lambda error: _NAME_ONE if error.candidates else _WHOSE,
    **dict.fromkeys(LOADING, _LOADING),
    "deployment_stopping": "Start it again in the Alaya NeW console once it has stopped.",
    "deployment_stopped": "Start it in the Alaya NeW console, then ask again.",
    "model_unknown": _pass_a_model("Type /model to see what can be asked."),
    "no_model_known": "Name the model as the Alaya NeW console has it: /model NAME, or --model NAME at the start.",
    "model_refused": _pass_a_model("Type /model to see what can be asked."),
    **dict.fromkeys(
        ("model_refused_though_listed", "model_refused_though_reported", "model_unlisted", "adapter_refused"),
        _pass_a_model(_CONSOLE_NAME),
    ),
    "adapter_partly_loaded": "Each try reached an instance without it. Have the adapter loaded on every instance, or "
    "ask another model: /model NAME.",
    "context_too_long": "Begin anew with /clear, or shorten the message.",
    "tool_parser_missing": "Have the deployment started with a tool parser: --enable-auto-tool-choice "
    "--tool-call-parser NAME on vLLM, --tool-call-parser NAME on SGLang.",
    "images_unsupported": "Begin anew with /clear, without images, or chat with a vision model (Qwen-VL and the like).",
    **dict.fromkeys(
        ("schema_unsupported", "request_unreadable"), "Look into the engine's log in the Alaya NeW console."
    ),
    "content_filtered": "Change what is asked.",
    "request_refused": lambda error: (
        "Change what is asked by what upstream said."
        if error.words
        else "Shorten the message, or look into the engine's log in the console: upstream gives no reason."
    ),
    "failure_reported": _EXAMINE,
    **dict.fromkeys(("rate_limited", "accounts_full"), _LATER),
    "no_answer": _by_plane(_LATER, "Ask again; for more time, start with a larger --timeout."),
    "gave_up_waiting": _LATER,
    "answer_stalled": "ALAYA_IDLE_SECONDS is the longest silence that is waited for. Ask again.",
    "queued_too_long": _LATER,
    **dict.fromkeys(("dns_failed", "connection_refused", "connection_timed_out"), _EXAMINE),
    "connection_closed": _by_plane(_EXAMINE, _AGAIN),
    "tls_distrusted": "Check this machine's clock. Where the server, or a proxy in between, has a certificate of a "
    "private authority, run `export SSL_CERT_FILE=FILE` with that authority's certificate in PEM.",
    "upstream_failing": _LATER,
    **dict.fromkeys(("engine_error", "answer_empty"), _AGAIN),
    **dict.fromkeys(get_args(UnexpectedCause), _ELSEWHERE),
    "base_url_path_wrong": "Correct it: `export ALAYA_BASE_URL=https://HOST/api/serverless-infer/v1`, or run `unset "
    "ALAYA_BASE_URL` for the default.",
    "bug": "Report it with what was asked and the program's version: `alayanew-mcp --version`.",
    **SAME_STEPS,
}
"""By cause; those of a tool's arguments cannot come about here."""
