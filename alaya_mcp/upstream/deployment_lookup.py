"""Look deployments up: by id, with a cache; by name or alias, which become an id; or all of them, page by page.

A ready deployment is cached; concurrent lookups of one deployment, or of one name, share a request.

The API's name filter is not documented, so its matches are checked here (docs/decisions/names.md).
"""

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import replace
from typing import Final, TypeVar

from alaya_mcp.clock import now
from alaya_mcp.deadline import Deadline
from alaya_mcp.deployment.readiness import readiness
from alaya_mcp.deployment.spelling import as_uuid, could_be_id, described, described_one, folded, most_like, references
from alaya_mcp.deployment.wire import Deployment
from alaya_mcp.errors import AlayaError, DeploymentNotFound, InvalidArguments, RequestRejected
from alaya_mcp.telemetry import found_deployment
from alaya_mcp.upstream.pages import FetchPage, Walk, may_be_cut
from alaya_mcp.upstream.position import LARGEST_PAGE, Position
from alaya_mcp.upstream.single_flight import Flight, SingleFlight

MOST_ROWS: Final = 2_000
"""Rows read for one call."""
KEPT_SECONDS: Final = 30.0
"""How long a ready deployment, a resolved name and the list are cached."""
_FRESH_SECONDS: Final = 3.0
"""How old the list may be where a name was not found."""
_MOST: Final = 1_000
"""Deployments, and names, cached at a time."""
_CANDIDATES: Final = 5

_T = TypeVar("_T")
Fetch = Callable[[str, Deadline], Awaitable[Deployment]]


class DeploymentCache:
    """Deployments as the control plane reports them.

    Args:
        fetch: Fetches one within a deadline.
        seconds: How long a ready one is cached.
        now: The event loop's clock.
    """

    def __init__(self, fetch: Fetch, seconds: float = KEPT_SECONDS, now: Callable[[], float] = now) -> None:
        self._fetch = fetch
        self._seconds = seconds
        self._now = now
        self._flights = SingleFlight[Deployment](now)
        self._kept: OrderedDict[str, tuple[float, Deployment]] = OrderedDict()

    async def recent(self, service_id: str, deadline: Deadline) -> tuple[Deployment, bool]:
        """Return a deployment, cached or fetched, and whether it was cached.

        Raises:
            AlayaError: each control-plane row of docs/errors.md.
        """
        since = self._now() - self._seconds
        began, kept = self._kept.get(service_id, (0.0, None))
        if kept is not None and began > since:
            return kept, True
        return await self._shared(service_id, deadline, since), False

    async def fresh(self, service_id: str, deadline: Deadline) -> Deployment:
        """Return a deployment from a request that begins now or later.

        Raises:
            AlayaError: each control-plane row of docs/errors.md.
        """
        return await self._shared(service_id, deadline, self._now())

    def forget(self, service_id: str) -> None:
        """Drop a cached deployment at any sign that it has changed."""
        self._kept.pop(service_id, None)
        self._flights.mark_stale(service_id)  # it began before the sign

    async def _shared(self, service_id: str, deadline: Deadline, since: float) -> Deployment:
        async def fetch() -> Deployment:
            try:
                return await self._fetch(service_id, deadline)
            except AlayaError as error:
                if not error.retryable:
                    self.forget(service_id)
                raise

        def keep(deployment: Deployment, flight: Flight[Deployment]) -> None:
            self._kept.pop(service_id, None)
            if readiness(deployment).ready and not flight.is_stale:
                self._kept[service_id] = (flight.began, deployment)
                if len(self._kept) > _MOST:
                    self._kept.popitem(last=False)

        return await self._flights.share(service_id, fetch, deadline, since, keep)


class DeploymentNames:
    """The deployments of one account.

    Args:
        fetch: Fetches a page.
        aliases: References by folded alias.
        now: The event loop's clock.
    """

    def __init__(self, fetch: FetchPage, aliases: Mapping[str, str], now: Callable[[], float] = now) -> None:
        self._fetch = fetch
        self._aliases = aliases
        self._now = now
        self._ids: dict[str, tuple[float, str]] = {}
        self._known: tuple[float, list[Deployment]] | None = None
        self._listings = SingleFlight[list[Deployment]](now)
        self._searches = SingleFlight[str](now)

    def walk(self, deadline: Deadline, start: Position | None = None) -> Walk:
        """Return an iterator over the deployments after a position."""
        return Walk(self._fetch, deadline, start)

    async def known(self, deadline: Deadline, seconds: float = KEPT_SECONDS) -> list[Deployment]:
        """Return all deployments, up to 2,000, at most `seconds` old; concurrent callers share one walk.

        Raises:
            AlayaError: each control-plane row of docs/errors.md.
        """
        since = self._now() - seconds
        if self._known and self._known[0] >= since:
            return self._known[1]

        async def fetch() -> list[Deployment]:
            rows: list[Deployment] = []
            with deadline.limit("control"):
                async for row in self.walk(deadline):
                    rows.append(row)
                    if len(rows) == MOST_ROWS:
                        break
            return rows

        def keep(rows: list[Deployment], flight: Flight[list[Deployment]]) -> None:
            self._known = flight.began, rows

        return await self._listings.share("", fetch, deadline, since, keep)

    async def find(
        self, reference: str, deadline: Deadline, look: Callable[[str, Deadline], Awaitable[_T]]
    ) -> tuple[str, _T]:
        """Return the id that a reference means, and what `look` returns for it.

        An alias is replaced by its target. A reference that can be an id is looked up as one; if there is no such id
        and it is not a UUID, it is taken for a name.

        Raises:
            DeploymentNotFound: no deployment has that id or name; with the nearest names.
            InvalidArguments: several deployments have that name; with their ids.
            AlayaError: each control-plane row of docs/errors.md.
        """
        target = self._aliases.get(folded(reference), reference)
        try:
            found = await self._find(target, deadline, look)
        except DeploymentNotFound as error:
            if target == reference:
                raise
            raise replace(error, alias=reference) from None
        found_deployment(found[0])
        return found

    async def _find(
        self, target: str, deadline: Deadline, look: Callable[[str, Deadline], Awaitable[_T]]
    ) -> tuple[str, _T]:
        if kept := self._kept_id(target):
            try:
                return kept, await look(kept, deadline)
            except DeploymentNotFound:
                self._ids.pop(target, None)
        missing: DeploymentNotFound | RequestRejected | None = None
        if (uuid := as_uuid(target)) and uuid != target:  # the API's ids are lower case
            try:
                return uuid, await look(uuid, deadline)
            except (DeploymentNotFound, RequestRejected):
                if not could_be_id(target):
                    raise
        if could_be_id(target):
            try:
                return target, await look(target, deadline)
            except (DeploymentNotFound, RequestRejected) as error:  # an id of the wrong shape may be refused
                if uuid:
                    raise
                missing = error
        service_id = await self._search(target, deadline, missing)
        return service_id, await look(service_id, deadline)

    def forget(self, reference: str) -> bool:
        """Drop the id that a name or alias was resolved to; return whether there was one."""
        target = self._aliases.get(folded(reference), reference)
        return self._ids.pop(target, None) is not None

    def _kept_id(self, name: str) -> str | None:
        found, service_id = self._ids.get(name, (0.0, None))
        return service_id if found > self._now() - KEPT_SECONDS else None

    async def _search(self, name: str, deadline: Deadline, missing: DeploymentNotFound | RequestRejected | None) -> str:
        """Return the id of the one deployment of that name; concurrent callers share one search."""

        async def fetch() -> str:
            try:
                with deadline.limit("control"):
                    rows = await self._rows_about(name, deadline)
            except AlayaError as error:
                if missing is None or error.retryable:
                    raise
                if isinstance(missing, DeploymentNotFound) and most_like(name, _own_names(self._aliases), 1):
                    raise _not_found(name, {}, self._aliases, missing) from None
                raise replace(missing, because=error) from None
            return self._only_match(name, rows, missing)

        def keep(service_id: str, flight: Flight[str]) -> None:
            self._ids[name] = flight.began, service_id
            if len(self._ids) > _MOST:
                del self._ids[next(iter(self._ids))]

        return await self._searches.share(name, fetch, deadline, self._now() - KEPT_SECONDS, keep)

    async def _rows_about(self, name: str, deadline: Deadline) -> list[Deployment]:
        """Return all rows of that name or, if the filter finds none, all rows."""
        page = await self._fetch(1, LARGEST_PAGE, deadline, name)
        has_all = page.total is not None and page.size >= page.total and not may_be_cut(page)
        if has_all and any(row.name == name for row in page.rows):
            return list(page.rows)
        # The filter may need the full name, or the same case.
        return await self.known(deadline, _FRESH_SECONDS)

    def _only_match(
        self, name: str, rows: list[Deployment], missing: DeploymentNotFound | RequestRejected | None
    ) -> str:
        exact = [row for row in rows if row.name == name]
        matches = exact or [row for row in rows if folded(row.name or "") == folded(name)]
        if len(matches) > 1:
            raise _ambiguous(name, matches)
        if not matches:
            if isinstance(missing, RequestRejected):
                raise missing
            raise _not_found(name, references(rows, self._aliases), self._aliases, missing)
        return str(matches[0].service_id)


def _ambiguous(name: str, matches: list[Deployment]) -> InvalidArguments:
    ordered = sorted(matches, key=lambda row: row.status != "running")
    return InvalidArguments(
        "name_ambiguous",
        service_id=name,
        known=described(ordered, _CANDIDATES),
        count=len(matches),
        candidates=tuple(str(row.service_id) for row in ordered[:_CANDIDATES]),
    )


def _own_names(aliases: Iterable[str]) -> dict[str, list[str]]:
    return {alias: [alias] for alias in aliases}


def _not_found(
    name: str, known: Mapping[str, Deployment], aliases: Mapping[str, str], missing: DeploymentNotFound | None
) -> DeploymentNotFound:
    called = {key: [text for text in (row.name, row.service_id) if text] for key, row in known.items()}
    alike = most_like(name, called | _own_names(aliases), _CANDIDATES)
    candidates = alike or list(known)[:_CANDIDATES]
    rows = (
        described_one(known[each]) if each in known else f"{each}, an alias of {aliases[each]}" for each in candidates
    )
    return DeploymentNotFound(
        "name_unknown",
        plane="control",
        http_status=missing.http_status if missing else None,
        service_id=name,
        known=tuple(rows),
        count=len(known),
        near=next(iter(alike), ""),
        candidates=tuple(candidates),
    )
