"""The checks in their order; one that depends on a failed check is skipped and names it."""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

import anyio

from alaya_mcp.accounts import Account, open_account
from alaya_mcp.deadline import Deadline
from alaya_mcp.deployment.spelling import checked_reference, could_be_id
from alaya_mcp.deployment.wire import Deployment
from alaya_mcp.doctor.check import OVER_THE_NETWORK, Check, left_out
from alaya_mcp.doctor.configuration import Configuration, read_configuration
from alaya_mcp.doctor.connection import Network, about_name, about_proxy, about_tls
from alaya_mcp.doctor.control_plane import denied, judged, rejected
from alaya_mcp.doctor.deployment import about_state, found, none_named, not_found
from alaya_mcp.doctor.engine import about_api_key, about_first_token, about_served_names, about_service_url
from alaya_mcp.doctor.hosts import BY_SHELL, Passed, about_host_files
from alaya_mcp.doctor.interview import interview
from alaya_mcp.doctor.keychain import keychain_pair
from alaya_mcp.doctor.quick_start import about_first_answers
from alaya_mcp.doctor.transcript import Transcript
from alaya_mcp.errors import AccessDenied, AlayaError, CredentialsRejected
from alaya_mcp.hosts.catalogue import Host, Machine
from alaya_mcp.origins import Origin
from alaya_mcp.upstream.routes import Routes
from alaya_mcp.upstream.transport import Transport

SECONDS: Final = 50.0
"""The time limit of everything that uses the network."""
_READ_SECONDS: Final = 10.0


@dataclass(frozen=True, slots=True)
class Question:
    """What to check: a deployment (None for the default) and a model (None for the base model), and whether to chat."""

    service: str | None = None
    model: str | None = None
    chats: bool = True
    seconds: float = SECONDS


@dataclass(frozen=True, slots=True)
class World:
    """The environment and network of the server to check, and the machine, None without a home folder.

    If a host determines the environment, `host` is that host and `passed` what it passes on. `platform` is as in
    `sys.platform`.
    """

    environ: Mapping[str, str] = field(repr=False)
    network: Network
    machine: Machine | None
    host: Host | None = None
    passed: Passed | None = None
    platform: str = sys.platform


class _GroundGone(Exception):
    """The following checks depend on one that did not succeed."""

    def __init__(self, check: Check) -> None:
        super().__init__(check.id)
        self.check = check


async def examine(question: Question, world: World, tell: Callable[[Check], None]) -> list[Check]:
    """Make every check, pass each to `tell` as it is made, and return them."""
    transcript, passed = Transcript(tell), world.passed
    configuration = read_configuration(world.environ, passed or BY_SHELL, await keychain_pair(world.environ))
    transcript.hide(configuration.secrets)
    if passed and transcript.add(passed.check).level != "ok":
        transcript.leave_out([*(check.id for check in configuration.checks), *OVER_THE_NETWORK], passed.check)
    else:
        for check in configuration.checks:
            transcript.add(check)
        with anyio.move_on_after(question.seconds) as limit:
            await _Examination(question, world, transcript).go_through(configuration)
        if limit.cancelled_caught and (late := _out_of_time(question, transcript)):
            transcript.leave_out(OVER_THE_NETWORK, late)
    if world.platform != "win32":
        transcript.add(about_first_answers(world.environ))
    if world.machine is None:
        transcript.add(Check("host_file", "skipped", "no_home", "there is no home folder"))
        return transcript.checks
    known = passed.check if passed else None
    for check in about_host_files(world.machine, world.host, has_profile=configuration.has_profile_keys, known=known):
        transcript.add(check)
    return transcript.checks


def _out_of_time(question: Question, transcript: Transcript) -> Check | None:
    """Add and return the check that did not end in time; None if all of them had just been made."""
    made = {check.id for check in transcript.checks}
    of = next((each for each in OVER_THE_NETWORK if each not in made), None)
    if of is None:
        return None
    what = f"not completed within the doctor's limit of {question.seconds:g} s"
    return transcript.add(Check(of, "failed", "out_of_time", what, "Try again; something in between is very slow."))


class _Examination:
    """The checks that use the network."""

    def __init__(self, question: Question, world: World, transcript: Transcript) -> None:
        self._question = question
        self._network = replace(world.network, place=" in the entry's env") if world.passed else world.network
        self._transcript = transcript
        self._deadline = Deadline.after(question.seconds)

    async def go_through(self, configuration: Configuration) -> None:
        """Make them as far as the configuration allows."""
        ground = configuration.ground
        try:
            if configuration.base_url:
                await self._way(configuration.base_url)
            if configuration.base_url and configuration.settings:
                async with open_account(configuration.settings, self._network.environ) as account:
                    await self._engine(account, *await self._account(account))
                return
        except _GroundGone as gone:
            ground = gone.check
        self._transcript.leave_out(OVER_THE_NETWORK, ground)

    def _need(self, check: Check) -> None:
        """Add a check that the next ones depend on."""
        if self._transcript.add(check).level == "failed":
            raise _GroundGone(check)

    async def _way(self, base_url: str) -> None:
        origin = Origin.of(base_url)
        async with Transport(Routes(self._network.environ)) as transport:
            self._need(await about_proxy(origin, self._network, transport))
            self._need(await about_name(origin, self._network))
            self._need(await about_tls(base_url, transport))

    async def _account(self, account: Account) -> tuple[str, Deployment]:
        """Check the control plane and the key pair; return the deployment and its id."""
        try:
            page = await account.client.deployments(1, 1, self._deadline.sooner(_READ_SECONDS))
        except AlayaError as error:
            page = error
        answer = judged(page, account.settings, self._network.place)
        lacks_list = answer.control_plane.verdict == "list_missing"
        if not lacks_list:
            self._need(answer.control_plane)
        if answer.key:
            self._need(answer.key)
        check, deployment = await self._deployment(account, is_key_known=answer.key is not None)
        if lacks_list:  # without a deployment too, it is not the API
            self._need(replace(check, id="control_plane") if check.verdict == "base_url_path" else answer.control_plane)
        if check.id == "key":
            self._need(check)
        if not answer.key:
            accepted = Check("key", "ok", "key_accepted", "accepted")
            self._transcript.add(answer.doubt or (accepted if deployment else left_out("key", answer.control_plane)))
        self._transcript.add(check)
        if deployment is None:
            raise _GroundGone(check)
        return deployment

    async def _deployment(self, account: Account, *, is_key_known: bool) -> tuple[Check, tuple[str, Deployment] | None]:
        """Return the check of the deployment, or of the key if that failed, and the deployment found, with its id."""
        named = self._question.service or account.settings.service_id
        if named is None:
            try:
                return none_named(await account.names.known(self._deadline.sooner(_READ_SECONDS))), None
            except AlayaError:
                return none_named(None), None
        try:
            named = checked_reference(named)
        except ValueError as wrong:
            step = "Use a deployment's id, its name or an alias."
            return Check("deployment", "failed", "reference_unusable", f"the name {wrong}", step), None
        deadline = self._deadline.sooner(_READ_SECONDS)
        try:
            service_id, deployment = await account.names.find(named, deadline, account.client.deployment)
        except AlayaError as error:
            if not is_key_known and isinstance(error, CredentialsRejected):
                return rejected(account.settings), None
            # Without an id, the list was requested again.
            if not is_key_known and isinstance(error, AccessDenied) and could_be_id(named):
                return denied(account.settings), None
            return not_found(error, is_default=not self._question.service), None
        if deployment.api_key:
            self._transcript.hide([deployment.api_key.get_secret_value()])
        return found(service_id, deployment, named), (service_id, deployment)

    async def _engine(self, account: Account, service_id: str, deployment: Deployment) -> None:
        state = self._transcript.add(about_state(deployment))
        if state.level != "ok":
            raise _GroundGone(state)
        model, chats = self._question.model, self._question.chats
        evidence = await interview(
            account, service_id, deployment, self._network, self._deadline, model=model, chats=chats
        )
        if isinstance(evidence, Check):
            raise _GroundGone(self._transcript.add(evidence))
        self._need(about_service_url(evidence))
        self._need(about_api_key(evidence))
        names = self._transcript.add(about_served_names(evidence))
        self._transcript.add(about_first_token(evidence, names))
