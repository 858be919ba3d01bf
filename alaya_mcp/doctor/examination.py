"""The checks in their order; one whose ground is gone is left out, and says because of which."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeVar

import anyio

from alaya_mcp.accounts import Account, open_account
from alaya_mcp.config.settings import Settings
from alaya_mcp.deadline import Deadline
from alaya_mcp.deployment.spelling import checked_reference, could_be_id
from alaya_mcp.deployment.wire import Deployment, Page
from alaya_mcp.doctor.check import OVER_THE_NETWORK, Check
from alaya_mcp.doctor.configuration import Configuration, read_configuration
from alaya_mcp.doctor.connection import Network, about_name, about_proxy, about_tls
from alaya_mcp.doctor.control_plane import Answer, denied, judged, rejected
from alaya_mcp.doctor.deployment import about_state, found, none_named, not_found
from alaya_mcp.doctor.engine import about_api_key, about_first_token, about_served_names, about_service_url
from alaya_mcp.doctor.hosts import KEYS_BY_ANY_HOST, Passed, about_host_files
from alaya_mcp.doctor.interview import Interview
from alaya_mcp.doctor.transcript import Transcript
from alaya_mcp.errors import AccessDenied, AlayaError, CredentialsRejected
from alaya_mcp.hosts.catalogue import Host, Machine
from alaya_mcp.origins import Origin
from alaya_mcp.upstream.transport import Transport

SECONDS: Final = 50.0
"""For everything that goes over the network."""
_LIST_SECONDS: Final = 10.0
_DETAIL_SECONDS: Final = 10.0

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Question:
    """What is to be examined.

    Attributes:
        service: The deployment, or None for the default.
        model: What a chat is to ask for, or None for the base model.
        chats: Whether to chat at all.
        seconds: For everything that goes over the network.
    """

    service: str | None = None
    model: str | None = None
    chats: bool = True
    seconds: float = SECONDS


@dataclass(frozen=True, slots=True)
class World:
    """What is looked at.

    Attributes:
        environ: The environment that the server would have.
        network: Names and proxies.
        machine: Where hosts' files are; None where there is no home folder.
        host: The host whose entry gives the environment, where one does.
        passed: What that host passes on.
    """

    environ: Mapping[str, str] = field(repr=False)
    network: Network
    machine: Machine | None
    host: Host | None = None
    passed: Passed | None = None


class _GroundGone(Exception):
    """The checks that follow stand on one that did not come out well."""

    def __init__(self, check: Check) -> None:
        super().__init__(check.id)
        self.check = check


async def examine(question: Question, world: World, tell: Callable[[Check], None]) -> list[Check]:
    """Every check, each told as it comes.

    Args:
        question: What is to be examined.
        world: What is looked at.
        tell: Takes each check.
    """
    transcript = Transcript(tell)
    passed = world.passed
    keys_by = passed.keys_by if passed else KEYS_BY_ANY_HOST
    configuration = read_configuration(world.environ, passed.unset if passed else None, keys_by)
    transcript.hide(configuration.secrets)
    if passed:
        of_host = transcript.add(passed.check)
        if of_host.level != "ok":
            transcript.leave_out((check.id for check in configuration.checks), of_host)
            transcript.leave_out(OVER_THE_NETWORK, of_host)
            _about_hosts(world, configuration, transcript)
            return transcript.checks
    for check in configuration.checks:
        transcript.add(check)
    with anyio.move_on_after(question.seconds) as limit:
        examination = _Examination(question, world, transcript, Deadline.after(question.seconds))
        await examination.go_through(configuration)
    if limit.cancelled_caught and (late := _out_of_time(question, transcript)):
        transcript.leave_out(OVER_THE_NETWORK, late)
    _about_hosts(world, configuration, transcript)
    return transcript.checks


def _out_of_time(question: Question, transcript: Transcript) -> Check | None:
    """The check that had no time to end; None where the time was over just as all were made."""
    made = {check.id for check in transcript.checks}
    of = next((each for each in OVER_THE_NETWORK if each not in made), None)
    if of is None:
        return None
    what = f"it did not end within the {question.seconds:g} s that the doctor takes"
    return transcript.add(Check(of, "failed", "out_of_time", what, "Ask again; something in between is very slow."))


def _about_hosts(world: World, configuration: Configuration, transcript: Transcript) -> None:
    if world.machine is None:
        transcript.add(Check("host_file", "skipped", "no_home", "there is no home folder to look into"))
        return
    for check in about_host_files(world.machine, world.host, has_profile=configuration.has_profile_keys):
        transcript.add(check)


def _given(value: _T | None, ground: Check) -> _T:
    if value is None:
        raise _GroundGone(ground)
    return value


class _Examination:
    """The checks that go over the network."""

    def __init__(self, question: Question, world: World, transcript: Transcript, deadline: Deadline) -> None:
        self._question = question
        self._network = world.network
        self._transcript = transcript
        self._deadline = deadline

    async def go_through(self, configuration: Configuration) -> None:
        """Make them."""
        try:
            await self._way(_given(configuration.base_url, configuration.ground))
            settings = _given(configuration.settings, configuration.ground)
            async with open_account(settings, self._network.environ) as account:
                service_id, deployment = await self._account(account, settings)
                await self._engine(account, service_id, deployment)
        except _GroundGone as gone:
            self._transcript.leave_out(OVER_THE_NETWORK, gone.check)

    def _need(self, check: Check) -> None:
        """Note a check that the next ones stand on."""
        if self._transcript.add(check).level == "failed":
            raise _GroundGone(check)

    async def _way(self, base_url: str) -> None:
        origin = Origin.of(base_url)
        async with Transport(self._network.environ) as transport:
            self._need(await about_proxy(origin, self._network, transport))
            self._need(await about_name(origin, self._network))
            self._need(await about_tls(base_url, transport))

    async def _account(self, account: Account, settings: Settings) -> tuple[str, Deployment]:
        answer = judged(await self._list(account), settings)
        self._need(answer.control_plane)
        if answer.key:
            self._need(answer.key)
        named = self._question.service or settings.service_id
        if named is None:
            await self._none_named(account, answer)
        try:
            reference = checked_reference(named or "")
        except ValueError as wrong:
            self._keep_doubt(answer)
            step = "Name a deployment: its id, its name or an alias."
            self._need(Check("deployment", "failed", "reference_unusable", f"SERVICE {wrong}", step))
            raise
        return await self._found(account, answer, reference)

    async def _list(self, account: Account) -> Page | AlayaError:
        try:
            return await account.client.deployments(1, 1, self._deadline.sooner(_LIST_SECONDS))
        except AlayaError as error:
            return error

    async def _none_named(self, account: Account, answer: Answer) -> None:
        self._keep_doubt(answer)
        try:
            rows = await account.names.known(self._deadline.sooner(_LIST_SECONDS))
        except AlayaError:
            rows = None
        raise _GroundGone(self._transcript.add(none_named(rows)))

    async def _found(self, account: Account, answer: Answer, named: str) -> tuple[str, Deployment]:
        deadline = self._deadline.sooner(_DETAIL_SECONDS)
        try:
            service_id, deployment = await account.names.find(named, deadline, account.client.deployment)
        except AlayaError as error:
            if answer.key is None and isinstance(error, CredentialsRejected):
                self._need(rejected(account.settings))
            # Without an id, it is the list again that was asked for.
            if answer.key is None and isinstance(error, AccessDenied) and could_be_id(named):
                self._need(denied(account.settings))
            self._keep_doubt(answer)
            is_default = not self._question.service
            raise _GroundGone(self._transcript.add(not_found(error, is_default=is_default))) from None
        if deployment.api_key:
            self._transcript.hide([deployment.api_key.get_secret_value()])
        self._keep_doubt(answer)
        self._transcript.add(found(service_id, deployment, named))
        return service_id, deployment

    def _keep_doubt(self, answer: Answer) -> None:
        """Note the doubt about the key, where there is one and nothing has told more."""
        if answer.doubt:
            self._transcript.add(answer.doubt)

    async def _engine(self, account: Account, service_id: str, deployment: Deployment) -> None:
        state = self._transcript.add(about_state(deployment))
        if state.level != "ok":
            raise _GroundGone(state)
        interview = Interview(account, self._network, self._deadline)
        engine = interview.engine(service_id, deployment)
        if isinstance(engine, Check):
            self._need(engine)
            return
        if check := await interview.about_name(engine):
            self._need(check)
        evidence = await interview.names(deployment, engine, self._question.model)
        if self._question.chats and evidence.is_reached:
            evidence = await interview.chat(evidence)
        self._need(about_service_url(evidence))
        api_key, names = about_api_key(evidence), about_served_names(evidence)
        self._transcript.add(api_key)
        if api_key.level == "failed":
            raise _GroundGone(api_key)
        self._transcript.add(names)
        self._transcript.add(about_first_token(evidence, names))
