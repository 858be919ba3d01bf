"""What a deployment's engine told: whether it is reached, takes the apikey, has the names, and answers. Pure."""

from dataclasses import dataclass
from typing import Final

from alaya_mcp.deployment.model_names import Model, Names, deployment_names, served_by_surprise, together
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

_UNAUTHORISED, _FORBIDDEN, _TOO_MANY, _SERVER_ERROR = 401, 403, 429, 500
_UNREACHED: Final[dict[Kind, str]] = {
    "refused": "the connection was refused, or no host answers there",
    "connect_timeout": "no connection came about in time",
    "reset": "the connection was closed before an answer",
    "timeout": "nothing came in time",
}
_MOST: Final = 10
"""Names that are shown."""
_LOOK: Final = "Look at the deployment's log and events in the Alaya NeW console, and ask the doctor again."


@dataclass(frozen=True, slots=True)
class Evidence:
    """What an engine told.

    Attributes:
        deployment: As the control plane tells it.
        engine: Where it is reached.
        listed: Its own names, or what came in their place.
        chat: The outcome of a small chat; None where none was tried.
        asked: The model that was asked for by name.
    """

    deployment: Deployment
    engine: Engine
    listed: Names | Failure | AlayaError
    chat: ChatResult | AlayaError | None = None
    asked: str | None = None

    @property
    def is_rejected(self) -> bool:
        """Whether the engine refuses the apikey; an answer to a chat shows that it does not."""
        is_refused = _status(self.listed) == _UNAUTHORISED and not self.has_answered
        return is_refused or _is_from_engine(self.chat, CredentialsRejected)

    @property
    def is_denied(self) -> bool:
        """Whether it knows the apikey and refuses all the same."""
        is_refused = _status(self.listed) == _FORBIDDEN and not self.has_answered
        return is_refused or _is_from_engine(self.chat, AccessDenied)

    @property
    def has_answered(self) -> bool:
        """Whether a chat was answered, whatever else was refused: a gateway may let chats alone through."""
        return isinstance(self.chat, ChatResult)

    @property
    def is_reached(self) -> bool:
        """Whether something answers where the engine is, so that a chat can be tried."""
        return (
            isinstance(self.listed, Names)
            or _status(self.listed) is not None
            or isinstance(self.listed, UnexpectedResponse)
        )

    @property
    def model(self) -> Model | None:
        """The model that a chat is with, as far as names are known."""
        names = self.names
        return names.find(self.asked) if self.asked else names.default()

    @property
    def names(self) -> Names:
        """Every name, by either side."""
        told = deployment_names(self.deployment)
        return together(told, self.listed) if isinstance(self.listed, Names) else told


def about_service_url(evidence: Evidence) -> Check:
    """Whether the engine is reached at all; whatever it answered counts, but a gateway's word that it is not there."""
    origin, listed = Origin.of(evidence.engine.url), evidence.listed
    where = f"{origin.host}:{origin.port}"
    status = _status(listed)
    if isinstance(listed, Failure) and status is None:
        return _unreached(listed, origin, where)
    if isinstance(listed, UpstreamTimeout):
        return _failed("service_url", "engine_silent", f"{where}: it took the question and said nothing", _LOOK)
    if status is not None and status >= _SERVER_ERROR and not evidence.has_answered:
        what = f"{where}: a gateway or the engine itself says that it cannot answer (HTTP {status})"
        return _failed("service_url", "engine_failing", what, _LOOK)
    if evidence.engine.is_plain_http:
        what = f"{where} answers, over plain http: the apikey and the conversation are not encrypted"
        step = "Use it from a network that you trust, or have the deployment served over https."
        return Check("service_url", "warning", "engine_plain_http", what, step)
    return Check("service_url", "ok", "engine_reachable", f"{where} answers")


def _unreached(failure: Failure, origin: Origin, where: str) -> Check:
    if failure.kind == "tls":
        return distrusted("service_url", "engine_tls_failed", origin, failure.distrust or "other")
    if failure.kind == "proxy":
        step = "Check the proxy's rules, or exempt the engine's host with NO_PROXY."
        return _failed("service_url", "engine_proxy_refused", f"the proxy does not let through to {where}", step)
    if failure.kind == "dns":
        return engine_dns_failed(origin)
    if what := _UNREACHED.get(failure.kind):
        proxy = " (a proxy is configured, which may be the cause)" if failure.proxy else ""
        return _failed(
            "service_url",
            "engine_unreachable",
            f"{where}: {what}{proxy}",
            "The control plane is reached and the engine is not: check whether this network lets through to its host "
            "and port, and whether the deployment was just restarted.",
        )
    return _failed("service_url", "engine_odd_answer", f"{where}: it answers with what cannot be read", _LOOK)


def engine_dns_failed(origin: Origin) -> Check:
    """The check where the host of a serviceUrl has no address."""
    step = "The serviceUrl may be for another network (a VPN, the cluster itself), or the deployment was just made."
    return _failed("service_url", "engine_dns_failed", f"the name {origin.host} could not be resolved", step)


def about_api_key(evidence: Evidence) -> Check:
    """Whether the engine takes the deployment's key."""
    if evidence.engine.credential is None:
        if evidence.is_rejected:
            step = "Make or look up the deployment's apikey in the Alaya NeW console."
            what = "the engine wants one (HTTP 401), and the control plane reports none"
            return _failed("apikey", "apikey_missing", what, step)
        step = "Nothing to do if the engine is meant to be open; else make an apikey in the Alaya NeW console."
        return Check("apikey", "warning", "apikey_missing", "the control plane reports none, so none is sent", step)
    if evidence.is_rejected:
        though = ", though it listed its models" if isinstance(evidence.listed, Names) else ""
        step = "If it was just changed, ask again in a minute; else renew the deployment's apikey in the console."
        what = f"the engine rejected the apikey that the control plane reports (HTTP 401){though}"
        return _failed("apikey", "apikey_rejected", what, step)
    if evidence.is_denied:
        step = "Check in the Alaya NeW console what the deployment's apikey may do, and from where."
        return _failed("apikey", "apikey_denied", "the engine knows the apikey and refuses (HTTP 403)", step)
    if evidence.has_answered:
        return Check("apikey", "ok", "apikey_accepted", "accepted")
    if isinstance(evidence.listed, Names):
        only = "not refused where the models are listed; a chat alone shows whether it is taken"
        return Check("apikey", "ok", "apikey_not_refused", only)
    return Check("apikey", "skipped", LEFT_OUT, "nothing that the engine answered says so")


def about_served_names(evidence: Evidence) -> Check:
    """Whether the names that the control plane tells are names that the engine has."""
    told, listed = deployment_names(evidence.deployment), evidence.listed
    own = told.adapters if told.is_lora_service else told.base
    if not isinstance(listed, Names) or listed.is_empty:
        if isinstance(evidence.chat, ModelNotServed) and not evidence.asked:
            return _unknown(own, ())
        what = "the engine does not list its models (/v1/models)"
        if isinstance(evidence.chat, ChatResult):
            return Check("served_names", "skipped", LEFT_OUT, f"{what}; it answers to {evidence.chat.model}")
        step = "Check that serviceUrl is the base of an OpenAI-compatible engine."
        return Check("served_names", "warning", "no_model_list", what, step)
    has = (*listed.base, *listed.adapters)
    missing = [name for name in own if name not in has]
    if missing and missing[0] == own[0]:
        return _unknown(missing, has)
    if missing:
        step = f"Ask for {own[0]}, or correct the deployment's served names in the Alaya NeW console."
        what = f"the engine does not have {', '.join(missing)}, which the control plane reports too"
        return Check("served_names", "warning", "alias_unknown", what, step, _names(has))
    if differing := None if told.is_lora_service else _about_adapters(evidence.deployment, told, listed):
        return differing
    if partial := [] if told.is_lora_service else _partly_loaded(evidence.deployment, told):
        step = "A chat with it may need several tries: have it loaded on every instance in the Alaya NeW console."
        return Check("served_names", "warning", "adapter_partly_loaded", f"{'; '.join(partial)}", step)
    if not own:
        return Check("served_names", "ok", "names_from_engine", f"reported by the engine only: {_shown(has)}")
    both = tuple(name for name in dict.fromkeys((*own, *told.adapters)) if name in has)
    return Check("served_names", "ok", "names_agree", f"the control plane and the engine agree: {_shown(both)}")


def _about_adapters(deployment: Deployment, told: Names, listed: Names) -> Check | None:
    """The check where the sides differ about adapters. One of some instances may be asked of another one."""
    ready = [each for each in deployment.instances if each.base_model_ready is True]
    everywhere = [name for name in told.adapters if all(name in each.lora_models for each in ready)]
    gone = [name for name in everywhere if name not in {*listed.base, *listed.adapters}]
    fresh = [name for name in listed.adapters if name not in told.adapters]
    if not gone and not fresh:
        return None
    parts = [f"the engine does not serve {', '.join(gone)}"] if gone else []
    parts += [f"the engine also serves {', '.join(fresh)}, which the control plane does not list"] if fresh else []
    step = "Usual for a while after a hot load; a chat with a missing one is refused. Else load them anew."
    facts = tuple(Fact("missing_adapter", name) for name in gone) + tuple(Fact("new_adapter", name) for name in fresh)
    return Check("served_names", "warning", "adapters_differ", "; ".join(parts), step, facts)


def _partly_loaded(deployment: Deployment, told: Names) -> list[str]:
    """Adapters that some of the instances that are ready lack, each with how many have it."""
    ready = [each for each in deployment.instances if each.base_model_ready is True]
    holding = {name: sum(name in each.lora_models for each in ready) for name in told.adapters}
    return [
        f"{name} is loaded on {count} of {len(ready)} instances that are ready"
        for name, count in holding.items()
        if count < len(ready)
    ]


def _unknown(missing: tuple[str, ...] | list[str], has: tuple[str, ...]) -> Check:
    instead = f" It has: {_shown(has)}." if has else ""
    step = (
        "Set the deployment's served name in the Alaya NeW console to a name that the engine was started with "
        "(--served-model-name). Until then, pass the engine's own name as model."
    )
    what = f"the control plane reports {', '.join(missing)}, which the engine does not serve.{instead}"
    return _failed("served_names", "served_name_unknown", what, step, _names(has))


def about_first_token(evidence: Evidence, names: Check) -> Check:
    """Whether a small chat brought a first token, and after how long."""
    chat = evidence.chat
    if chat is None:
        return Check("first_token", "skipped", LEFT_OUT, "left out, since it costs tokens (--no-chat)")
    if isinstance(chat, ChatResult):
        return _came(evidence, chat)
    if isinstance(chat, ModelNotServed):
        if names.level == "failed" and not evidence.asked:
            return left_out("first_token", names)
        facts = tuple(Fact("candidate", each) for each in chat.candidates)
        step = "Ask for one of its names with --model, exactly as written."
        return _failed("first_token", "model_not_served", what_happened(chat), step, facts)
    if isinstance(chat, DeploymentNotReady):
        return _failed("first_token", "deployment_not_ready", what_happened(chat), "Ask the doctor again in a minute.")
    if isinstance(chat, RateLimited):
        step = "Try again later, when the deployment has less to do."
        return Check("first_token", "warning", "rate_limited", what_happened(chat), step)
    if isinstance(chat, UpstreamTimeout | UpstreamUnavailable | UnexpectedResponse):
        return _failed("first_token", "no_first_token", what_happened(chat), _LOOK)
    step = "Upstream's words say why; the deployment's log in the Alaya NeW console has more."
    return _failed("first_token", "chat_refused", what_happened(chat), step)


def _came(evidence: Evidence, chat: ChatResult) -> Check:
    by = printable(chat.served_by or chat.model)
    seconds = chat.timing.first_token_seconds
    if seconds is None:
        return Check("first_token", "warning", "empty_answer", f"{by} ended its answer without a token", _LOOK)
    found = f"after {seconds:.2f} s, by {by}"
    facts = (Fact("first_token_seconds", f"{seconds:.3f}"), Fact("model", by))
    model = evidence.model
    if model and (surprise := served_by_surprise(model, chat.served_by, evidence.names)):
        step = "Check that the engine was started with the adapters and names that the console shows."
        what = (
            f"The LoRA {model.adapter} was asked for: it was probably not used."
            if surprise == "adapter_not_used"
            else "That is none of this deployment's served names."
        )
        return Check("first_token", "warning", "answered_by_another", f"{found}. {what}", step, facts)
    return Check("first_token", "ok", "first_token", found, "", facts)


def _names(has: tuple[str, ...]) -> tuple[Fact, ...]:
    return tuple(Fact("engine_name", name) for name in has[:_MOST])


def _shown(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - _MOST} more" if len(names) > _MOST else ""
    return f"{', '.join(names[:_MOST])}{more}"


def _failed(of: str, verdict: str, found: str, next_step: str, facts: tuple[Fact, ...] = ()) -> Check:
    return Check(of, "failed", verdict, found, next_step, facts)


def _status(listed: Names | Failure | AlayaError) -> int | None:
    return listed.status if isinstance(listed, Failure) else None


def _is_from_engine(chat: ChatResult | AlayaError | None, kind: type[AlayaError]) -> bool:
    return isinstance(chat, kind) and chat.plane == "data"
