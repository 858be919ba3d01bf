"""The checks of a deployment's engine: whether it is reached, accepts the apikey, has the names, and answers. Pure."""

from dataclasses import dataclass
from typing import Final

from alaya_mcp.deployment.model_names import Names, deployment_names, served_by_surprise, together
from alaya_mcp.deployment.wire import Deployment
from alaya_mcp.doctor.check import LEFT_OUT, Check, Fact, left_out
from alaya_mcp.doctor.connection import distrusted
from alaya_mcp.error_sentences import what_happened
from alaya_mcp.errors import (
    AccessDenied,
    AlayaError,
    CredentialsRejected,
    DeploymentNotReady,
    ModelNotServed,
    RateLimited,
    UnexpectedResponse,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from alaya_mcp.origins import Origin
from alaya_mcp.printable import printable
from alaya_mcp.results import ChatResult
from alaya_mcp.upstream.client import Engine
from alaya_mcp.upstream.failures import Failure, Kind

_UNAUTHORISED, _FORBIDDEN, _SERVER_ERROR = 401, 403, 500
_UNREACHED: Final[dict[Kind, str]] = {
    "refused": "the connection was refused, or no host answers there",
    "connect_timeout": "no connection in time",
    "reset": "the connection was closed before an answer",
    "timeout": "nothing was received in time",
}
_MOST: Final = 10
"""Names that are shown."""
_LOOK: Final = "Look at the deployment's log and events in the Alaya NeW console, then run the doctor again."


@dataclass(frozen=True, slots=True)
class Evidence:
    """The answers of an engine, or the errors in their place.

    `listed` is its /v1/models, `chat` a small chat, None if none was tried, and `asked` the model that the user named.
    """

    deployment: Deployment
    engine: Engine
    listed: Names | Failure | AlayaError
    chat: ChatResult | AlayaError | None = None
    asked: str | None = None

    def refuses(self, status: int, kind: type[AlayaError]) -> bool:
        """Return whether the list (unless a chat was answered) or the chat was refused with this status or error.

        A gateway may let only chats through.
        """
        is_list_refused = _status(self.listed) == status and not isinstance(self.chat, ChatResult)
        return is_list_refused or (isinstance(self.chat, kind) and self.chat.plane == "data")

    @property
    def is_rejected(self) -> bool:
        """Whether the engine does not know the apikey."""
        return self.refuses(_UNAUTHORISED, CredentialsRejected)

    @property
    def is_reached(self) -> bool:
        """Whether something answers at the engine's address, so that a chat can be tried."""
        return isinstance(self.listed, Names | UnexpectedResponse) or _status(self.listed) is not None


def about_service_url(evidence: Evidence) -> Check:
    """Check whether the engine is reached: any answer counts, except a gateway's that the engine is not there."""
    origin, listed, status = Origin.of(evidence.engine.url), evidence.listed, _status(evidence.listed)
    where = f"{origin.host}:{origin.port}"
    if isinstance(listed, Failure) and status is None:
        return _unreached(listed, origin, where)
    if isinstance(listed, UpstreamTimeout):
        return _failed("service_url", "engine_silent", f"{where} accepted the request and did not answer", _LOOK)
    if status is not None and status >= _SERVER_ERROR and not isinstance(evidence.chat, ChatResult):
        what = f"{where}: a gateway or the engine reports that it cannot answer (HTTP {status})"
        return _failed("service_url", "engine_failing", what, _LOOK)
    if evidence.engine.is_plain_http:
        what = f"{where} answers over plain http: the apikey and the conversation are not encrypted"
        step = "Use it only from a network that you trust, or have the deployment served over https."
        return Check("service_url", "warning", "engine_plain_http", what, step)
    return Check("service_url", "ok", "engine_reachable", f"{where} answers")


def _unreached(failure: Failure, origin: Origin, where: str) -> Check:
    if failure.kind == "tls":
        return distrusted("service_url", "engine_tls_failed", origin, failure.distrust or "other")
    if failure.kind == "proxy":
        step = f"Check the proxy's rules, or exempt the engine's host with NO_PROXY={origin.host}."
        return _failed("service_url", "engine_proxy_refused", f"the proxy refuses connections to {where}", step)
    if failure.kind == "dns":
        return engine_dns_failed(origin)
    if what := _UNREACHED.get(failure.kind):
        proxy = " (a proxy is configured, which may be the cause)" if failure.proxy else ""
        step = (
            "Check whether a firewall or VPN blocks that host and port, and whether the deployment was just restarted: "
            "the control plane is reached, the engine is not."
        )
        return _failed("service_url", "engine_unreachable", f"{where}: {what}{proxy}", step)
    return _failed("service_url", "engine_odd_answer", f"{where}: the answer cannot be read", _LOOK)


def engine_dns_failed(origin: Origin) -> Check:
    """Return the check that fails because the host of the serviceUrl does not resolve."""
    step = (
        f"Run `nslookup {origin.host}` in this shell. If that fails too, the serviceUrl may be for another network (a "
        "VPN, the cluster itself), or the deployment was just created: correct it in the Alaya NeW console, or wait."
    )
    return _failed("service_url", "engine_dns_failed", f"{origin.host} could not be resolved", step)


def about_api_key(evidence: Evidence) -> Check:
    """Check whether the engine accepts the deployment's apikey."""
    if evidence.engine.credential is None:
        if evidence.is_rejected:
            step = "Look up the deployment's apikey in the Alaya NeW console, or create one."
            what = "the engine requires one (HTTP 401), and the control plane reports none"
            return _failed("apikey", "apikey_missing", what, step)
        step = "Nothing to do if the engine is meant to be open; else create an apikey in the Alaya NeW console."
        return Check("apikey", "warning", "apikey_missing", "the control plane reports none, so none is sent", step)
    if evidence.is_rejected:
        though = ", though it listed its models" if isinstance(evidence.listed, Names) else ""
        step = "If it was just changed, try again in a minute; else renew the deployment's apikey in the console."
        what = f"the engine rejected the apikey that the control plane reports (HTTP 401){though}"
        return _failed("apikey", "apikey_rejected", what, step)
    if evidence.refuses(_FORBIDDEN, AccessDenied):
        step = "Check in the Alaya NeW console what the deployment's apikey may do, and from where."
        return _failed("apikey", "apikey_denied", "the engine knows the apikey and refuses (HTTP 403)", step)
    if isinstance(evidence.chat, ChatResult):
        return Check("apikey", "ok", "apikey_accepted", "accepted")
    if isinstance(evidence.listed, Names):
        what = "not refused when listing the models; only a chat shows whether it is accepted"
        return Check("apikey", "ok", "apikey_not_refused", what)
    return Check("apikey", "skipped", LEFT_OUT, "no answer of the engine shows whether it is accepted")


def about_served_names(evidence: Evidence) -> Check:
    """Check whether the engine has the names that the control plane reports."""
    reported, listed = deployment_names(evidence.deployment), evidence.listed
    own = reported.adapters if reported.is_lora_service else reported.base
    if not isinstance(listed, Names) or listed.is_empty:
        if isinstance(evidence.chat, ModelNotServed) and not evidence.asked:
            return _unknown(own)
        what = "the engine does not list its models (/v1/models)"
        if isinstance(evidence.chat, ChatResult):
            return Check("served_names", "skipped", LEFT_OUT, f"{what}; it serves {evidence.chat.model}")
        step = "Check that serviceUrl is the base URL of an OpenAI-compatible engine."
        return Check("served_names", "warning", "no_model_list", what, step)
    has = (*listed.base, *listed.adapters)
    missing = tuple(name for name in own if name not in has)
    facts = tuple(Fact("engine_name", name) for name in has[:_MOST])
    if missing and missing[0] == own[0]:
        return _unknown(missing, _shown(has), facts)
    if missing:
        step = f"Use {own[0]}, or correct the deployment's served names in the Alaya NeW console."
        what = f"the control plane also reports {', '.join(missing)}, which the engine does not serve"
        return Check("served_names", "warning", "alias_unknown", what, step, facts)
    if not reported.is_lora_service and (check := _about_adapters(evidence.deployment, reported, listed)):
        return check
    if not own:
        return Check("served_names", "ok", "names_from_engine", f"reported by the engine only: {_shown(has)}")
    both = tuple(name for name in dict.fromkeys((*own, *reported.adapters)) if name in has)
    return Check("served_names", "ok", "names_agree", f"the control plane and the engine agree: {_shown(both)}")


def _about_adapters(deployment: Deployment, reported: Names, listed: Names) -> Check | None:
    """Return the check for adapters that only one side reports, or that only some ready instances have."""
    ready = [each for each in deployment.instances if each.base_model_ready is True]
    loaded = {name: sum(name in each.lora_models for each in ready) for name in reported.adapters}
    partial = {name: count for name, count in loaded.items() if count < len(ready)}
    # An adapter on some instances only is not expected of the one that answered.
    gone = [name for name in reported.adapters if name not in {*partial, *listed.base, *listed.adapters}]
    new = [name for name in listed.adapters if name not in reported.adapters]
    if gone or new:
        parts = [f"the engine does not serve {', '.join(gone)}"] if gone else []
        parts += [f"the engine also serves {', '.join(new)}, which the control plane does not list"] if new else []
        step = "Usual for a while after a hot load; a chat with a missing one is refused. Else load them again."
        facts = tuple(Fact("missing_adapter", name) for name in gone) + tuple(Fact("new_adapter", name) for name in new)
        return Check("served_names", "warning", "adapters_differ", "; ".join(parts), step, facts)
    if partial:
        where = [f"{name} is loaded on {count} of {len(ready)} ready instances" for name, count in partial.items()]
        step = "Load it on every instance in the Alaya NeW console: until then a chat with it may need several tries."
        return Check("served_names", "warning", "adapter_partly_loaded", "; ".join(where), step)
    return None


def _unknown(missing: tuple[str, ...], served: str = "", facts: tuple[Fact, ...] = ()) -> Check:
    instead = f". The engine serves: {served}" if served else ""
    step = (
        "Set the deployment's served name in the Alaya NeW console to a name that the engine was started with "
        "(--served-model-name). Until then, pass the engine's own name as model."
    )
    what = f"the control plane reports {', '.join(missing)}, which the engine does not serve{instead}"
    return _failed("served_names", "served_name_unknown", what, step, facts)


def about_first_token(evidence: Evidence, names: Check) -> Check:
    """Check whether a small chat brought a first token, and after how long."""
    chat = evidence.chat
    if chat is None:
        return Check("first_token", "skipped", LEFT_OUT, "not checked, since it costs tokens (--no-chat)")
    if isinstance(chat, ChatResult):
        return _answered(evidence, chat)
    what = what_happened(chat)
    if isinstance(chat, ModelNotServed):
        if names.level == "failed" and not evidence.asked:
            return left_out("first_token", names)
        facts = tuple(Fact("candidate", each) for each in chat.candidates)
        step = "Pass one of its served names with --model, exactly as written."
        return _failed("first_token", "model_not_served", what, step, facts)
    if isinstance(chat, DeploymentNotReady):
        return _failed("first_token", "deployment_not_ready", what, "Run the doctor again in a minute.")
    if isinstance(chat, RateLimited):
        step = "Try again later, when the deployment has less to do."
        return Check("first_token", "warning", "rate_limited", what, step)
    if isinstance(chat, UpstreamTimeout | UpstreamUnavailable | UnexpectedResponse):
        return _failed("first_token", "no_first_token", what, _LOOK)
    step = "Upstream's words say why; the deployment's log in the Alaya NeW console has more."
    return _failed("first_token", "chat_refused", what, step)


def _answered(evidence: Evidence, chat: ChatResult) -> Check:
    by, seconds = printable(chat.served_by or chat.model), chat.timing.first_token_seconds
    if seconds is None:
        return Check("first_token", "warning", "empty_answer", f"{by} ended its answer without a token", _LOOK)
    found = f"after {seconds:.2f} s, by {by}"
    facts = (Fact("first_token_seconds", f"{seconds:.3f}"), Fact("model", by))
    names = deployment_names(evidence.deployment)
    names = together(names, evidence.listed) if isinstance(evidence.listed, Names) else names
    model = names.find(evidence.asked) if evidence.asked else names.default()
    if model and (surprise := served_by_surprise(model, chat.served_by, names)):
        step = "Check that the engine was started with the adapters and names that the console shows."
        what = (
            f"the adapter {model.adapter} was requested and probably not used"
            if surprise == "adapter_not_used"
            else "that is not a served name of this deployment"
        )
        return Check("first_token", "warning", "answered_by_another", f"{found}: {what}", step, facts)
    return Check("first_token", "ok", "first_token", found, "", facts)


def _shown(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - _MOST} more" if len(names) > _MOST else ""
    return f"{', '.join(names[:_MOST])}{more}"


def _failed(of: str, verdict: str, found: str, next_step: str, facts: tuple[Fact, ...] = ()) -> Check:
    return Check(of, "failed", verdict, found, next_step, facts)


def _status(listed: Names | Failure | AlayaError) -> int | None:
    return listed.status if isinstance(listed, Failure) else None
