"""A person's next step for each error, in commands and shell lines: one row per cause. Pure."""

import math
import re
import shlex
import sys
from collections.abc import Mapping
from typing import Any, Final, get_args

from alaya_mcp.error_causes import LOADING, Cause, FileCause, SettingCause, UnexpectedCause
from alaya_mcp.error_same_steps import OF_LOGIN, SAME_STEPS
from alaya_mcp.error_sentences import Row, said, what_happened
from alaya_mcp.errors import AlayaError, Setting


def doctor_step(deployment: str | None, *, over_sandbox: bool = False) -> str:
    """Return the step for an error that the doctor can examine; it does so over an account only."""
    if over_sandbox:
        return "Some of the sandbox's deployments fail on purpose. Choose another: `alayanew-mcp chat NAME --sandbox`."
    named = f" {shlex.quote(deployment)}" if deployment else ""
    return f"Run `alayanew-mcp doctor{named}` to find the step that fails."


DOCTOR: Final = doctor_step(None)
LOG_IN: Final = "Run `alayanew-mcp login`, which asks for the Open API Key from the Alaya NeW console."
_AGAIN: Final = "Ask again."
_LATER: Final = "Ask again later."
_CONFIG_FILE: Final = "Correct it, or name another one: `export ALAYA_CONFIG=FILE`."
_WHOSE: Final = "Check ALAYA_BASE_URL, and in the Alaya NeW console which account the key pair belongs to."
_NAME_ONE: Final = "Name the deployment by its name or id: `alayanew-mcp chat NAME`."
_MAY_COST_TWICE: Final = "The engine may have begun to generate, so asking again may cost twice."
_EXPORT: Final = re.compile(r"`export (\w+)=([^`]*)`")
_UNSET: Final = re.compile(r"`unset ([\w ]+)`")
_KEY_VARIABLES: Final = ("ALAYA_ACCESS_KEY", "ALAYA_SECRET_KEY")


def _settings(error: AlayaError) -> str:
    """Return the shell lines that set or unset variables, and which entries of a file to add or correct."""
    own = [setting for setting in error.settings if setting.source == setting.variable]
    wrong = [setting.variable for setting in own if setting.problem == "unusable"]
    absent = [setting.variable for setting in own if setting.problem != "unusable"]
    steps: list[str] = []
    if error.lacks_key_pair:
        others = [name for name in wrong if name not in _KEY_VARIABLES]
        fix = [f"Correct {_them(others)}, or unset {_them(others)}: `unset {' '.join(others)}`."] if others else []
        return " ".join([*fix, "--sandbox needs no keys.", LOG_IN])
    if any(setting.variable in _KEY_VARIABLES for setting in own):
        steps.append("The key pair is the Open API Key from the Alaya NeW console; --sandbox needs none.")
    steps += [_held(setting) for setting in error.settings if setting not in own]
    if wrong:
        them = _them(wrong)
        steps.append(f"Correct {them}, or unset {them}: `unset {' '.join(wrong)}`.")
    if absent:
        exports = " and ".join(f"`export {name}=...`" for name in absent)
        steps.append(f"Set {_them(absent)} in this shell: {exports}.")
    return " ".join(steps)


def _held(setting: Setting) -> str:
    """Return what to do with an entry of a profile, or with the variable that it names."""
    if setting.problem == "unusable":
        return f"Correct {setting.source}."
    if "(named by " in setting.source:
        return f"Set {setting.source}."
    return f"Add {setting.source.replace(' of ', ' to ', 1)}."


def _them(names: list[str]) -> str:
    return "it" if len(names) == 1 else "them"


def _pass_a_model(otherwise: str) -> Row:
    return lambda error: (
        "Choose one of these, exactly as written: /model NAME, or --model NAME at the start."
        if error.candidates
        else otherwise
    )


def _by_plane(control: str, data: str) -> Row:
    return lambda error: data if error.plane == "data" else control


_CONSOLE_NAME: Final = "Check the deployment's served name in the Alaya NeW console."

STEPS: Final[dict[Cause, Row]] = {
    **dict.fromkeys(get_args(SettingCause), _settings),
    **dict.fromkeys(get_args(FileCause), _CONFIG_FILE),
    "config_file_unwritable": "Make it writable, or name another one: `export ALAYA_CONFIG=FILE`.",
    "config_file_changed": "Run this again.",
    "home_missing": "Name the file: `export ALAYA_CONFIG=FILE`.",
    "keychain_extra_missing": "Install it beside this command: in the checkout, `pip install '.[keyring]'`.",
    "keychain_missing": "Run `alayanew-mcp login`, which keeps the keys in the configuration file instead.",
    "keychain_locked": "Unlock the keychain and allow the access, then run this again.",
    "keychain_silent": "Answer the keychain's question, then run this again.",
    **dict.fromkeys(
        ("keychain_failed", "keychain_entry_missing", "keychain_entry_unusable"),
        "Run `alayanew-mcp login --keyring` again.",
    ),
    "tokens_unusable": lambda error: f"Correct {error.file}, or remove it and make the tokens again.",
    **dict.fromkeys(("key_headers_missing", "profile_unusable"), DOCTOR),
    "profile_unknown": lambda error: (
        "Choose one of them with `export ALAYA_PROFILE=NAME`, or add it: "
        f"`alayanew-mcp login --profile {shlex.quote(error.source)}`."
    ),
    "certificates_unusable": "Correct both variables (a file and a folder of PEM certificates), or run `unset "
    "SSL_CERT_FILE SSL_CERT_DIR`.",
    "proxy_unusable": lambda error: f"Set {error.source} to an http, https, socks5 or socks5h URL, or unset it.",
    "proxy_refused": lambda error: f"Correct or unset {error.proxy}.",
    "reference_unusable": _NAME_ONE,
    "deployment_not_named": "Name one: `alayanew-mcp chat NAME`, or set a default: `export ALAYA_SERVICE_ID=NAME`.",
    "deployment_none_running": lambda error: (
        "Start one in the Alaya NeW console, or name one that is starting: `alayanew-mcp chat NAME`."
        if error.known
        else _WHOSE
    ),
    "name_ambiguous": _NAME_ONE,
    "key_pair_rejected": lambda error: (
        "Run `alayanew-mcp login` with an Open API Key from the Alaya NeW console."
        if error.source.startswith(OF_LOGIN)
        else "Copy both halves of the Open API Key from the Alaya NeW console there again."
    ),
    "apikey_rejected": "Renew the deployment's apikey in the Alaya NeW console; it can take a minute to arrive.",
    "list_denied": "Name the deployment, which needs no list: `alayanew-mcp chat NAME`.",
    "deployment_unknown": lambda error: (
        "Name it by its id, which the Alaya NeW console shows: `alayanew-mcp chat ID`."
        if error.because
        else f"A deployment of another account is invisible to this key pair. {_NAME_ONE}"
    ),
    "name_unknown": lambda error: _NAME_ONE if error.candidates else _WHOSE,
    **dict.fromkeys(LOADING, "Loading can take minutes. Ask again to wait, for as long as --timeout allows."),
    "deployment_stopping": "Start it again in the Alaya NeW console once it has stopped.",
    "deployment_stopped": "Start it in the Alaya NeW console, then ask again.",
    **dict.fromkeys(("model_unknown", "model_refused"), _pass_a_model("Type /model to list the models.")),
    "no_model_known": "Name the model as the Alaya NeW console has it: /model NAME, or --model NAME at the start.",
    **dict.fromkeys(
        ("model_refused_though_listed", "model_refused_though_reported", "model_unlisted", "adapter_refused"),
        _pass_a_model(_CONSOLE_NAME),
    ),
    "adapter_partly_loaded": "Each try reached an instance without it. Have the adapter loaded on every instance, or "
    "choose another model: /model NAME.",
    "context_too_long": "Begin a new conversation with /clear, or shorten the message.",
    "tool_parser_missing": "Have the deployment started with a tool parser: --enable-auto-tool-choice "
    "--tool-call-parser NAME on vLLM, --tool-call-parser NAME on SGLang.",
    "images_unsupported": "Begin a new conversation with /clear, or chat with a vision model (Qwen-VL and the like).",
    **dict.fromkeys(("schema_unsupported", "request_unreadable"), "Read the engine's log in the Alaya NeW console."),
    "content_filtered": "Change the message.",
    "request_refused": lambda error: (
        "Change the message as upstream says."
        if error.words
        else "Shorten the message, or read the engine's log in the console: upstream gives no reason."
    ),
    "failure_reported": DOCTOR,
    **dict.fromkeys(
        ("rate_limited", "accounts_full", "places_full", "gave_up_waiting", "queued_too_long", "upstream_failing"),
        _LATER,
    ),
    "no_answer": _by_plane(_LATER, "Ask again; for more time, start with a larger --timeout."),
    "answer_stalled": "Ask again; to allow a longer silence, `export ALAYA_IDLE_SECONDS=N`.",
    **dict.fromkeys(("dns_failed", "connection_refused", "connection_timed_out"), DOCTOR),
    "connection_closed": _by_plane(DOCTOR, _AGAIN),
    "tls_distrusted": "Check this machine's clock. If the server, or a proxy in between, has a certificate of a "
    "private authority, run `export SSL_CERT_FILE=FILE` with that authority's certificate in PEM.",
    **dict.fromkeys(("engine_error", "answer_empty", "server_stopping", "store_unavailable"), _AGAIN),
    **dict.fromkeys(get_args(UnexpectedCause), DOCTOR),
    "base_url_path_wrong": "Correct it: `export ALAYA_BASE_URL=https://HOST/api/serverless-infer/v1`, or run `unset "
    "ALAYA_BASE_URL` for the default.",
    "bug": "Report it with the message and the output of `alayanew-mcp --version`.",
    **SAME_STEPS,
}
"""By cause, on a terminal. Tool arguments cannot fail here."""
STEPS_IN_A_PIPE: Final[dict[Cause, Row]] = {
    **STEPS,
    **dict.fromkeys(LOADING, "Loading can take minutes. Run this again later, or with a larger --timeout."),
    **dict.fromkeys(("model_unknown", "model_refused"), _pass_a_model(DOCTOR)),
    "images_unsupported": "Choose a vision model (Qwen-VL and the like).",
}
"""The same for the lines of one piped conversation."""
STEPS_OF_ONE_LINE: Final[dict[Cause, Row]] = {**STEPS_IN_A_PIPE, "context_too_long": "Shorten the message."}
"""The same for a piped line that is a conversation by itself."""


Steps = Mapping[Cause, Row]


def error_lines(error: AlayaError, steps: Steps = STEPS, doctor: str = DOCTOR, *, platform: str = sys.platform) -> str:
    """Return an error for a person: what happened, and the next step on a line below, in the platform's shell."""
    return f"{what_happened(error)}\n{next_step(error, steps, doctor, platform=platform)}"


def error_fields(error: AlayaError, steps: Steps = STEPS, doctor: str = DOCTOR) -> dict[str, Any]:
    """Return an error for a program: code, cause, message, retryable."""
    message = f"{what_happened(error)} {next_step(error, steps, doctor)}"
    return {"code": error.code, "cause": error.cause, "message": message, "retryable": error.retryable}


def next_step(error: AlayaError, steps: Steps = STEPS, doctor: str = DOCTOR, *, platform: str = sys.platform) -> str:
    """Return what to do, ending with one action; `doctor` is the step in place of `DOCTOR`."""
    step = said(steps.get(error.cause, DOCTOR), error).replace(DOCTOR, doctor)
    if error.retry_after is not None:
        step = f"Ask again in {math.ceil(error.retry_after)} s."
    if platform == "win32":
        step = _in_powershell(step)
    return f"{_MAY_COST_TWICE} {step}" if error.may_have_begun else step


def _in_powershell(step: str) -> str:
    """Return a step with its shell lines as PowerShell has them."""
    step = _EXPORT.sub(r"`$env:\1 = '\2'`", step)
    return _UNSET.sub(lambda line: f"`Remove-Item {', '.join(f'Env:{name}' for name in line[1].split())}`", step)
