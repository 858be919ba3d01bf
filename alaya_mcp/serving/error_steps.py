"""An agent's next step for each error, in arguments, tools and the host's configuration: a row per cause. Pure."""

from typing import Final, get_args

from alaya_mcp.config.settings import KEYS_OF_SERVER
from alaya_mcp.error_causes import LOADING, Cause, FileCause, KeychainCause, SettingCause, UnexpectedCause
from alaya_mcp.error_same_steps import OF_LOGIN, SAME_STEPS
from alaya_mcp.error_sentences import Row, said
from alaya_mcp.errors import AlayaError

_RESTART: Final = "and have the host restart this server."
_LOOK: Final = "Call get_deployment to see the deployment's state."
_LOG_IN: Final = f"Ask the user to run `alayanew-mcp login` in a terminal, {_RESTART}"
_LOG_IN_AGAIN: Final = (
    "Ask the user to run `alayanew-mcp login` in a terminal with an Open API Key from the Alaya NeW console, "
    f"{_RESTART}"
)
_REFERENCES: Final = "A host replaces references from its own environment, if at all (Claude Desktop does not)."
_CONFIG_FILE: Final = f"Correct it, or have ALAYA_CONFIG name another file, {_RESTART}"
_WHOSE: Final = "Check in the Alaya NeW console whose key pair it is, and check ALAYA_BASE_URL."
_ONE_OF_THESE: Final = "Pass one of these as model, exactly as written"
_MODELS: Final = (
    "Pass served names in models, exactly as written (base is the base model), or leave models out for the base model "
    "and every available adapter."
)
_BASE: Final = (
    "Check that ALAYA_BASE_URL is the serverless-infer base, and that no login portal intercepts it.",
    "Check the deployment's endpoint with get_deployment: it must be the base of an OpenAI-compatible engine.",
)
_UNRESOLVED: Final = (
    "Have the user check the host name in ALAYA_BASE_URL, and this machine's DNS or proxy.",
    "Have the user check the endpoint that get_deployment shows, and this machine's DNS or proxy.",
)
_OPERATOR: Final = "Have the user tell this server's operator."
_COPY_KEYS: Final = (
    "Have the user copy both halves of the Open API Key from the Alaya NeW console into the host's entry again."
)
_NO_CONNECTION: Final[tuple[Cause, ...]] = ("connection_refused", "connection_timed_out", "connection_closed")
_UNREACHED: Final = ("Check ALAYA_BASE_URL and the network, then call again.", f"{_LOOK} Then call again.")


def next_step(error: AlayaError) -> str:
    """Return what to do, ending with one action."""
    own = _GUESTS.get(error.cause) if error.is_guests else None
    step = said(own or STEPS[error.cause], error)
    if error.is_of_reply and error.retryable_by_default:
        return "Ask the model again, without read_on."
    return f"{step} Have the user correct the default deployment." if error.default else step


def argument_words(error: AlayaError) -> str:
    """Return what is wrong with an argument, as a sentence."""
    return said(ARGUMENTS[error.cause], error)


def _settings(error: AlayaError) -> str:
    is_unexpanded = any(setting.problem == "unexpanded" for setting in error.settings)
    notes = [_REFERENCES] if is_unexpanded else []
    if error.lacks_key_pair:
        return " ".join([*notes, "Without an account, the server can be started with --sandbox.", _LOG_IN])
    held = [setting.source for setting in error.settings if setting.source != setting.variable]
    where = " and ".join(held) or "these in the env block of the MCP host's configuration"
    if error.cause in {"key_missing", "key_unusable"}:
        notes.append(
            "The key pair is the Open API Key from the Alaya NeW console; without an account, the server can be "
            "started with --sandbox."
        )
    return " ".join([*notes, f"Correct {where} {_RESTART}"])


def _by_plane(steps: tuple[str, str]) -> Row:
    """Return a row with one step for the control plane and one for the engine."""
    return lambda error: steps[error.plane == "data"]


def _pass_a_deployment(error: AlayaError) -> str:
    return "Pass one of these as service_id, or call list_deployments for all of them." if error.known else _WHOSE


def _loading(error: AlayaError) -> str:
    if error.is_compared:
        return "Loading can take minutes. Wait with get_deployment, which takes wait_seconds, then call again."
    more = "a larger wait_seconds (and timeout_seconds)" if error.seconds else "wait_seconds"
    return f"Loading can take minutes. Look with get_deployment, or pass {more} and the chat waits for it."


def _pass_a_model(otherwise: str) -> Row:
    def row(error: AlayaError) -> str:
        if error.is_compared:
            return _MODELS
        if not error.candidates:
            return otherwise
        # If the base model was refused, it is not an alternative.
        return f"{_ONE_OF_THESE}{'' if error.is_chosen else ', or leave model out for the base model'}."

    return row


_MORE_TIME: Final = (
    f"{_LOOK} Then call again with a larger timeout_seconds (hosts may give up earlier), a shorter prompt or a smaller "
    "max_tokens."
)
_NO_ANSWER: Final = ("Call again later.", _MORE_TIME)
_CONSOLE_NAME: Final = "Check the deployment's served name in the Alaya NeW console."

STEPS: Final[dict[Cause, Row]] = {
    **dict.fromkeys(get_args(SettingCause), _settings),
    **dict.fromkeys(get_args(FileCause), _CONFIG_FILE),
    "config_file_changed": "Run the command again.",
    "home_missing": f"Have ALAYA_CONFIG name the file in the env block of the MCP host's configuration, {_RESTART}",
    "keychain_extra_missing": f"Have the user install this server with the extra keyring, {_RESTART}",
    "keychain_missing": "Ask the user to run `alayanew-mcp login` in a terminal, which keeps the keys in the "
    f"configuration file instead, {_RESTART}",
    "keychain_locked": f"Have the user unlock the keychain and allow the access, {_RESTART}",
    "keychain_silent": "Have the user answer the keychain's question, then call again.",
    **dict.fromkeys(("keychain_failed", "keychain_entry_missing", "keychain_entry_unusable"), _LOG_IN),
    "profile_unknown": "Correct ALAYA_PROFILE, or add the profile.",
    "certificates_unusable": f"Correct or remove both variables (a file and a folder of PEM certificates), {_RESTART}",
    "proxy_unusable": lambda error: (
        f"Correct or remove {error.source} (an http, https, socks5 or socks5h URL), {_RESTART}"
    ),
    "proxy_refused": lambda error: f"Correct or remove {error.proxy}, {_RESTART}",
    "arguments_unusable": lambda error: (
        (f"The arguments are: {', '.join(error.known)}. " if error.known else "") + "Correct this and call again."
    ),
    "cursor_unknown": "Pass next_cursor of an earlier result unchanged, or leave cursor out to start again.",
    "cursor_of_other_filters": "Pass cursor alone to continue, or leave it out to start with other filters.",
    "wait_over_budget": "Pass a smaller wait_seconds or a larger timeout_seconds.",
    **dict.fromkeys(
        ("prompt_missing", "prompt_and_messages"),
        "Pass a single message as prompt, or a whole conversation as messages.",
    ),
    "system_given_twice": "Pass the system message in one of them.",
    "nothing_to_continue": "Put the truncated reply last, or leave continue_reply out.",
    "tool_choice_unknown": lambda error: f"Pass one of the tools given: {', '.join(error.known) or 'none'}.",
    "tool_choice_without_tools": "Pass tools too, or leave tool_choice out.",
    "thinking_given_twice": "Pass it in one of them.",
    "schema_unusable": "Correct the schema (JSON Schema, draft 2020-12) and call again.",
    "read_on_with_question": "Pass read_on alone to read more of an earlier reply, or leave it out to chat.",
    "read_on_unknown": "Pass the read_on of an earlier result, exactly as returned.",
    "background_unavailable": "Leave background out, or have ALAYA_GENERATION_SECONDS raised.",
    **dict.fromkeys(("reply_not_kept", "reply_elsewhere"), "Ask the model again."),
    "resource_unknown": lambda error: f"Read one of these: {', '.join(error.known)}.",
    "resource_reference_unusable": lambda error: f"Read {error.source} for the list of deployments.",
    "reference_unusable": "Pass a deployment's id, name or alias as service_id.",
    "deployment_not_named": "ALAYA_SERVICE_ID in the host's configuration sets a default; list_deployments shows all. "
    "Ask the user which deployment is meant and pass its name or id as service_id.",
    "deployment_none_running": "Ask the user to start one in the Alaya NeW console.",
    "name_ambiguous": "Ask the user which is meant, and pass its id as service_id.",
    "key_pair_rejected": lambda error: (
        _OPERATOR
        if error.source == KEYS_OF_SERVER
        else _LOG_IN_AGAIN
        if error.source.startswith(OF_LOGIN)
        else f"Copy both halves of the Open API Key from the Alaya NeW console there again, {_RESTART}"
    ),
    "apikey_rejected": "Renew the deployment's apikey in the Alaya NeW console; a change there can take a minute to "
    "arrive.",
    "list_denied": "Check in the Alaya NeW console that the key pair's account may use it.",
    "deployment_unknown": lambda error: (
        "Pass the deployment's id, which the Alaya NeW console shows."
        if error.because
        else "A deployment of another account cannot be seen with this key pair; if the id is right, check "
        "ALAYA_BASE_URL. Call list_deployments and pass a name or id from it."
    ),
    "name_unknown": _pass_a_deployment,
    **dict.fromkeys(LOADING, _loading),
    "deployment_stopping": "It will not answer again until somebody starts it. Ask the user to start it in the "
    "Alaya NeW console.",
    "deployment_stopped": "Start it in the Alaya NeW console, then look again.",
    "model_unknown": _pass_a_model("Leave model out for the engine's base model."),
    "no_model_known": "Pass the served name as model; it was set for the deployment in the Alaya NeW console.",
    "model_refused": _pass_a_model("Call list_lora_models for the exact names, and pass one as model."),
    **dict.fromkeys(
        ("model_refused_though_listed", "model_refused_though_reported", "model_unlisted", "adapter_refused"),
        _pass_a_model(_CONSOLE_NAME),
    ),
    "adapter_partly_loaded": "Each try reached an instance without it. Have the adapter loaded on every instance "
    "(list_lora_models shows ready_on), or pass one of the other names as model.",
    "context_too_long": "Shorten the prompt or the history, or pass a smaller max_tokens.",
    "tool_parser_missing": "Leave tools out, or have the deployment started with a tool parser: "
    "--enable-auto-tool-choice --tool-call-parser NAME on vLLM, --tool-call-parser NAME on SGLang (hermes or qwen25 "
    "for Qwen, llama3_json or llama3 for Llama).",
    "images_unsupported": "Leave images out, or ask a deployment of a vision model (Qwen-VL and the like).",
    "schema_unsupported": "Simplify the schema: type, properties, required, items and enum are understood by "
    "every engine.",
    "request_unreadable": "Correct the tools, messages or extra_body as upstream says.",
    "content_filtered": "Change the request, then call again.",
    "request_refused": lambda error: (
        "Correct the arguments as upstream says, then call again."
        if error.words
        else "Shorten the request, or read the engine's log in the console: upstream gives no reason."
    ),
    "failure_reported": "Correct the call as upstream says; if that names no cause, look in the console.",
    "accounts_full": "Call again in a moment.",
    "places_full": "Wait, then call again with fewer chats at a time.",
    "key_headers_missing": "Have the user set them in the host's entry for this server: both halves of the Open API "
    "Key from the Alaya NeW console.",
    **dict.fromkeys(("tokens_unusable", "profile_unusable"), _OPERATOR),
    "rate_limited": "Wait, then call again with fewer calls at a time.",
    "no_answer": _by_plane(_NO_ANSWER),
    "gave_up_waiting": _by_plane(("Call again later.", "Call again; for a long answer, pass a smaller max_tokens.")),
    "answer_stalled": f"ALAYA_IDLE_SECONDS limits the silence. {_LOOK} Then call again.",
    "queued_too_long": "Call again with fewer chats at a time, or raise ALAYA_MAX_CONCURRENCY.",
    "dns_failed": _by_plane(_UNRESOLVED),
    **dict.fromkeys(_NO_CONNECTION, _by_plane(_UNREACHED)),
    "tls_distrusted": "Check this machine's clock. If the server, or a proxy in between, has a certificate of a "
    "private authority, set SSL_CERT_FILE to a PEM file with that authority's certificate.",
    "upstream_failing": _by_plane(("Call again later.", f"{_LOOK} Then call again.")),
    "server_stopping": "Call again.",
    "store_unavailable": lambda error: (
        "Ask again, without background." if error.is_chat else "Call again in a moment, with the same read_on."
    ),
    **dict.fromkeys(("engine_error", "answer_empty"), f"{_LOOK} Then call again."),
    **dict.fromkeys(get_args(UnexpectedCause), _by_plane(_BASE)),
    "base_url_path_wrong": "Correct ALAYA_BASE_URL: it ends in the path of the serverless-infer API, "
    "/api/serverless-infer/v1.",
    "bug": "Report it with the server's stderr log, which says where it happened.",
    **SAME_STEPS,
}
"""By cause."""

_GUESTS: Final[dict[Cause, Row]] = {
    **dict.fromkeys(
        (*get_args(SettingCause), *get_args(FileCause), *get_args(KeychainCause), "home_missing", "profile_unknown"),
        _OPERATOR,
    ),
    **dict.fromkeys(("certificates_unusable", "proxy_unusable", "proxy_refused", "tls_distrusted", "bug"), _OPERATOR),
    **{cause: _by_plane((_OPERATOR, _BASE[1])) for cause in get_args(UnexpectedCause) if cause not in SAME_STEPS},
    **dict.fromkeys(_NO_CONNECTION, _by_plane((_OPERATOR, _UNREACHED[1]))),
    "dns_failed": _by_plane((_OPERATOR, "Have the user check the endpoint that get_deployment shows.")),
    "key_pair_rejected": lambda error: _OPERATOR if error.source == KEYS_OF_SERVER else _COPY_KEYS,
    "background_unavailable": "Leave background out.",
    "service_url_refused": "If it is right, have the user tell this server's operator, who can allow its host.",
    "deployment_not_named": "Call list_deployments for all. Ask the user which deployment is meant, and pass its name "
    "or id as service_id.",
    **dict.fromkeys(("deployment_unknown", "name_unknown"), "Call list_deployments and pass a name or id from it."),
    "answer_stalled": f"{_LOOK} Then call again.",
    "queued_too_long": "Call again with fewer chats at a time.",
}
"""By cause, for a guest over HTTP, where what a user of an own server does is not for it to do."""

ARGUMENTS: Final[dict[Cause, Row]] = {
    "arguments_unusable": lambda error: f"{error.detail}.",
    "cursor_unknown": "cursor: was not returned by this server.",
    "cursor_of_other_filters": lambda error: f"cursor: belongs to other filters ({error.detail or 'none'}).",
    "wait_over_budget": lambda error: (
        f"wait_seconds: is {error.asked}, more than the call's whole budget of {error.limit} s."
    ),
    "prompt_missing": "Neither prompt nor messages was given.",
    "prompt_and_messages": "Both prompt and messages were given.",
    "system_given_twice": "system was given, and messages has a system message too.",
    "nothing_to_continue": "continue_reply: needs an assistant's message, with the text to continue, as the last of "
    "messages.",
    "tool_choice_unknown": "tool_choice: is neither auto, none, required nor the name of one of the tools.",
    "tool_choice_without_tools": "tool_choice: was given without tools.",
    "thinking_given_twice": "thinking: was given, and extra_body's chat_template_kwargs switches it too.",
    "schema_unusable": lambda error: f"response_schema: {error.detail}.",
    "read_on_with_question": "read_on was given, and a question too.",
    "read_on_unknown": "read_on: is not the URI of a kept reply.",
    "background_unavailable": "background: no reply outlives its call here, since ALAYA_GENERATION_SECONDS is 0.",
    "reply_not_kept": "read_on: that reply is no longer kept: replies are kept for up to half an hour after their end, "
    "and within 32 MiB together.",
    "reply_elsewhere": "read_on: that reply is another server process's: it was begun before a restart, or at another "
    "server of the same address.",
    "resource_unknown": "Unknown resource.",
    "resource_reference_unusable": lambda error: f"service_id: {error.detail}.",
}
"""Problems with the arguments of tools and resources, by cause."""
