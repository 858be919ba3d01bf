"""What happened, the same for every reader; the next step is in `serving` and `terminal.error_steps`. Pure."""

from collections.abc import Callable
from typing import Final, cast, get_args

from alaya_mcp.error_causes import Cause, NotReadyCause, UnexpectedCause
from alaya_mcp.error_file_sentences import FILE_SENTENCES
from alaya_mcp.errors import AlayaError, Setting
from alaya_mcp.printable import shortened

Row = str | Callable[[AlayaError], str]
"""The words for one cause, or a function of the error's facts."""

_OK: Final = 200


def said(row: Row, error: AlayaError) -> str:
    """Return a row's words for an error."""
    return row if isinstance(row, str) else row(error)


def what_happened(error: AlayaError) -> str:
    """Return what happened, with upstream's words, and the proxy, alias or default involved."""
    parts = [said(SENTENCES[error.cause], error)]
    if error.words:
        parts.append(f'Upstream said: "{error.words}".')
    if error.because and error.cause == "deployment_unknown":
        parts.append(what_happened(error.because))
    if error.proxy and error.cause != "proxy_refused":
        parts.append(f"The connection goes through the proxy in {error.proxy}, which may be the cause.")
    if error.alias:
        parts.append(f"{error.alias} is an alias of it in the configuration file.")
    if error.default:
        parts.append(f"{error.default} is the default deployment (ALAYA_SERVICE_ID, or a profile's service_id).")
    return " ".join(parts)


def about_setting(setting: Setting) -> str:
    """Return what is wrong with one setting, as a clause."""
    match setting.problem:
        case "missing":
            return f"{setting.source} is not set"
        case "empty":
            return f"{setting.source} is empty"
        case "unexpanded":
            return f"{setting.source} holds a reference that was not replaced, as ${{...}}"
        case "unusable":
            return f"{setting.source} {setting.detail}"


def state_words(cause: NotReadyCause, instances: int = 0, raw: str = "") -> str:
    """Return the state of a deployment that is not ready, to end a sentence about it."""
    match cause:
        case "deployment_state_unknown":
            return f"in an unknown state ({raw})"
        case "model_loading":
            return f"running, but none of its {instances} instances has the base model ready"
        case "no_instance":
            return "running, but without an instance"
        case _:
            return _STATES[cause]


_STATES: Final[dict[NotReadyCause, str]] = {
    "deployment_starting": "starting",
    "deployment_stopping": "stopping",
    "deployment_stopped": "stopped",
    "deployment_failed": "failed",
}


def _engine(error: AlayaError) -> str:
    return f"the engine of {error.service_id}" if error.service_id else "the deployment's engine"


def _who(error: AlayaError) -> str:
    """Return who answered, to begin a sentence."""
    return "Alaya's control plane" if error.plane == "control" else f"T{_engine(error)[1:]}"


def _where(error: AlayaError) -> str:
    """Return who was asked, within a sentence."""
    return {"control": "Alaya's control plane", "data": _engine(error)}.get(error.plane or "", "upstream")


def _at(error: AlayaError) -> str:
    return f" (HTTP {error.http_status})" if error.http_status not in {None, _OK} else ""


def _listed(error: AlayaError) -> str:
    """Return the known values, and how many more there are."""
    left = error.count - len(error.known)
    return f"{', '.join(error.known)}{f', and {left} more' if left > 0 else ''}"


def _engine_that(does: str) -> Row:
    return lambda error: f"{_who(error)} {does}{_at(error)}."


def _answered_with(what: str) -> Row:
    return lambda error: f"{_who(error)} answered with {what.format(error)}."


def _settings(error: AlayaError) -> str:
    return f"{'; '.join(map(about_setting, error.settings))}."


def _name_unknown(error: AlayaError) -> str:
    if error.near:
        instead = f"Did you mean {', or '.join(error.known)}?"
    elif error.known:
        instead = f"No name is similar. There are: {_listed(error)}."
    else:
        instead = "This key pair can see no deployments."
    return f'There is no deployment with the id or name "{error.service_id}". {instead}'


def _not_named(error: AlayaError) -> str:
    if error.because:
        why = what_happened(error.because)
        return f"No deployment was named, and the deployments could not be listed: {why}"
    shown = f" These run: {_listed(error)}." if error.known else ""
    return f"No deployment was named, and {error.detail or 'no default deployment is configured'}.{shown}"


def _not_ready(error: AlayaError) -> str:
    state = state_words(cast("NotReadyCause", error.cause), error.instances, error.detail)
    if error.plane == "data":
        return f"Deployment {error.service_id} is {state} now (its engine answered HTTP {error.http_status})."
    name = f" ({error.name})" if error.name else ""
    after = f" still, after {error.seconds:g} s of waiting" if error.seconds else ""
    return f"Deployment {error.service_id}{name} is {state}{after}; nothing was sent to it."


def _serves(error: AlayaError) -> str:
    """Return what a deployment serves instead, as sentences after another one."""
    if not error.candidates:
        return ""
    left = error.count - len(error.candidates)
    more = f", and {left} more" if left > 0 else ""
    return f"{_meant(error)} It serves: {', '.join(map(shortened, error.candidates))}{more}."


def _meant(error: AlayaError) -> str:
    return f' Did you mean "{error.near}"?' if error.near else ""


def _refused(detail: str) -> Row:
    """Return the row of a model that the engine refused, with what else is known about it."""

    def row(error: AlayaError) -> str:
        known = f" {detail.format(error)}" if detail else ""
        model = f'"{error.model}"' if error.model else "that model"
        return f"{_who(error)} does not serve {model}{_at(error)}.{known}{_serves(error)}"

    return row


def _context(error: AlayaError) -> str:
    numbers = [error.asked and f"asked for {error.asked}", error.limit and f"limit {error.limit}"]
    shown = ", ".join(filter(None, numbers))
    return f"The prompt, the history and the reply do not fit the model's context{f': {shown}' if shown else ''}."


def _no_answer(error: AlayaError) -> str:
    return f"Nothing was received from {_where(error)} {f'within {error.seconds:g} s' if error.seconds else 'in time'}."


_ODD_ANSWERS: Final[dict[UnexpectedCause, str]] = {
    "list_missing": "HTTP 404: there is no list of deployments at ALAYA_BASE_URL",
    "endpoint_missing": "HTTP 404: there is no OpenAI-compatible API at the serviceUrl",
    "redirect": "a redirect (HTTP {0.http_status}), which is never followed",
    "odd_status": "HTTP {0.http_status}, where an answer was expected",
    "broken_encoding": "a body whose compression is broken",
    "broken_http": "something that is not valid HTTP",
    "body_too_large": "a body over the size limit",
    "event_too_large": "an event or a body over the size limit",
    "events_not_json": "a stream of events that are not JSON",
    "url_unusable": "an address that no request can be sent to",
    "html_page": "an HTML page",
    "not_json": "something that is not JSON",
    "json_of_wrong_shape": "JSON of the wrong shape",
    "list_of_wrong_shape": "something other than a list of deployments",
    "deployment_absent": "an envelope without a deployment",
    "deployment_of_wrong_shape": "an object other than a deployment",
    "model_names_unreadable": "a list without a readable model name",
    "service_url_refused": "a serviceUrl for {0.service_id} that is refused because it {0.detail}",
    "apikey_unusable": "an apikey for {0.service_id} that cannot be sent in a header",
}

SENTENCES: Final[dict[Cause, Row]] = {
    **dict.fromkeys(("key_missing", "key_unusable", "base_url_unusable", "setting_unusable"), _settings),
    **FILE_SENTENCES,
    "certificates_unusable": "The certificates to check servers by (SSL_CERT_FILE, SSL_CERT_DIR) cannot be read.",
    "proxy_unusable": lambda error: f"The proxy in {error.source} cannot be used: it is not a proxy's URL.",
    "proxy_refused": lambda error: f"The proxy in {error.proxy} refused the connection or cannot be used.",
    "reference_unusable": lambda error: f"{error.source} {error.detail}.",
    "deployment_not_named": _not_named,
    "deployment_none_running": lambda error: (
        "No deployment was named, no default deployment is configured, and none is running."
        + (f" There are: {_listed(error)}." if error.known else "")
    ),
    "name_ambiguous": lambda error: f"{error.count} deployments are called {error.service_id}: {_listed(error)}.",
    "key_pair_rejected": lambda error: f"Alaya's control plane rejected the key pair in {error.source}{_at(error)}.",
    "apikey_missing": lambda error: (
        f"{_who(error)} requires an apikey{_at(error)}, and the control plane reports none for this deployment; the "
        "account's key pair was accepted."
    ),
    "apikey_rejected": lambda error: (
        f"{_who(error)} rejected the deployment's own apikey{_at(error)}, from the control plane; the account's "
        "key pair was accepted."
    ),
    "list_denied": _engine_that("denies access to the list of deployments"),
    "deployment_denied": lambda error: f"{_who(error)} denies access to {error.service_id}{_at(error)}.",
    "quota_used_up": _engine_that("says that the quota or the balance is used up"),
    "deployment_unknown": lambda error: (
        f"There is no deployment with the id {error.service_id} for this account"
        f"{', and names could not be looked up' if error.because else ''}."
    ),
    "name_unknown": _name_unknown,
    **dict.fromkeys(get_args(NotReadyCause), _not_ready),
    "model_unknown": lambda error: (
        f'{error.name} does not serve "{error.model}". The name is in neither the control plane nor the engine\'s '
        f"/v1/models.{_serves(error) or ' It reports no names.'}"
    ),
    "no_model_known": lambda error: (
        f"No served name of {error.name} is known: neither the control plane nor the engine's /v1/models has one."
    ),
    "model_refused": _refused(""),
    "model_refused_though_listed": _refused('The engine\'s /v1/models lists "{0.model}".'),
    "model_refused_though_reported": _refused('The control plane reports "{0.model}".'),
    "model_unlisted": _refused('The control plane reports "{0.model}", but the engine does not list it.'),
    **dict.fromkeys(
        ("adapter_refused", "adapter_partly_loaded"),
        _refused("The control plane reports {0.source} as loaded on {0.ready} of {0.instances} ready instances."),
    ),
    "context_too_long": _context,
    "tool_parser_missing": _engine_that("was started without a tool parser, so its model cannot call tools"),
    "images_unsupported": _engine_that("takes no images: its model reads text only"),
    "schema_unsupported": _engine_that("cannot make its reply follow this schema"),
    "request_unreadable": _engine_that("could not read part of the request"),
    "content_filtered": _engine_that("refused the request because of a content filter"),
    "request_refused": _engine_that("rejected the request"),
    "failure_reported": lambda error: f"{_who(error)} reports a failure (code -1 with HTTP 200).",
    "key_headers_missing": lambda error: (
        f"This server uses each caller's own Alaya key pair, and the request came without {' and '.join(error.known)}."
    ),
    "tokens_unusable": "This server's file of tokens cannot be read.",
    "profile_unusable": "This server's settings for the caller's account cannot be used.",
    "places_full": lambda error: (
        f"The account has {error.count} chats running, its share of this server, and twice as many waiting."
    ),
    "accounts_full": lambda error: f"This server already has {error.count} accounts in use, its limit.",
    "rate_limited": _engine_that("limits the rate of requests"),
    "no_answer": _no_answer,
    "gave_up_waiting": _engine_that("gave up waiting"),
    "answer_stalled": lambda error: (
        f"{_who(error)} began to answer, then sent nothing for {error.seconds:g} s; no text had arrived."
    ),
    "queued_too_long": lambda error: (
        f"The chat waited {error.seconds:g} s in the local queue (ALAYA_MAX_CONCURRENCY); nothing was sent."
    ),
    "dns_failed": lambda error: (
        f"The host name of {_where(error)}{f', {error.host},' if error.host else ''} could not be resolved."
    ),
    "tls_distrusted": lambda error: (
        f"The TLS connection to {_where(error)} failed: its certificate or protocol was not accepted."
    ),
    "connection_refused": lambda error: f"The connection to {_where(error)} was refused, or no host answers there.",
    "connection_timed_out": lambda error: f"The connection to {_where(error)} timed out.",
    "connection_closed": lambda error: f"The connection to {_where(error)} was closed before an answer.",
    "upstream_failing": _engine_that("failed"),
    "engine_error": lambda error: f"{_who(error)} reported an error before any text.",
    "answer_empty": lambda error: f"{_who(error)} ended its answer before any text.",
    "store_unavailable": "The store of replies, which this server shares with others, could not be reached.",
    "server_stopping": "This server is being stopped, and nothing was sent.",
    "base_url_path_wrong": "Alaya's API is not at ALAYA_BASE_URL (HTTP 404).",
    **{cause: _answered_with(what) for cause, what in _ODD_ANSWERS.items()},
    "service_url_missing": lambda error: (
        f"Alaya's control plane reports no serviceUrl for {error.service_id}, so a chat is impossible."
    ),
    "bug": "A bug in this program made it fail; the request is not the reason.",
}
"""By cause; those of tool arguments are in `serving.error_steps`."""
