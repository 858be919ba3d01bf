"""Walk the list of deployments page by page, even if it changes meanwhile, is miscounted or repeats itself.

The API's paging is not documented, so the rows received outweigh `count`: pages are read on while they are full, and
inconsistencies are reported in `Walk.warnings` (docs/decisions/names.md).
"""

from collections import deque
from collections.abc import Awaitable, Iterable
from dataclasses import replace
from typing import Final, Protocol, Self

from alaya_mcp.deadline import Deadline
from alaya_mcp.deployment.wire import Deployment, Page
from alaya_mcp.upstream.position import MOST_MARKS, Position, mark

_ROUND: Final = 10
"""Page sizes that an API may enforce are multiples of it; the documented default is 10."""
_LOOKS: Final = (-1, 1, -2, 2)
"""Distances, in pages, at which a lost place is looked for."""
_MOST_FRUITLESS: Final = MOST_MARKS + 1
"""Consecutive pages that may bring nothing new: with one row a page, each mark may take one."""
_MOST_EMPTY: Final = 2
"""Consecutive pages that may be empty."""
_MOST_STEPS_BACK: Final = 3


class FetchPage(Protocol):
    """Fetches one page."""

    def __call__(self, page: int, size: int, deadline: Deadline, name: str | None = None) -> Awaitable[Page]:
        """Return a page; page numbers start at 1."""
        ...


def may_be_cut(page: Page) -> bool:
    """Return whether a page may have been cut at an enforced page size, so that more may follow."""
    return page.size > 0 and page.size % _ROUND == 0


class Walk:
    """The deployments after a position, each once; a page is fetched when the one before it is used up.

    Args:
        fetch: Fetches a page.
        deadline: Of the call.
        start: Where to begin.

    Attributes:
        position: After the last deployment returned.
        is_over: Whether the last page has been read.
    """

    def __init__(self, fetch: FetchPage, deadline: Deadline, start: Position | None = None) -> None:
        self._fetch = fetch
        self._deadline = deadline
        self.position = start or Position()
        self.is_over = False
        self._start = self.position
        self._number = self.position.page
        self._waiting: deque[tuple[Position, Deployment]] = deque()
        self._seen: set[str] = set()
        self._marks = deque(self.position.marks, MOST_MARKS)
        self._came = self.position.came
        self._unread = self.position.unread
        self._counts = [each for each in (self.position.began, self.position.counted) if each is not None]
        self._first = self.position.first
        self._before: Page | None = None
        self._longest = 0
        self._fruitless = self._steps_back = self._twice = 0
        self._empty: list[int] = []
        self._gaps: list[int] = []
        self._has_place = not self.position.marks
        self._repeats = self._is_lost = False

    def __aiter__(self) -> Self:
        """Return itself."""
        return self

    async def __anext__(self) -> Deployment:
        """Return the next deployment.

        Raises:
            StopAsyncIteration: the list has ended.
            AlayaError: each control-plane row of docs/errors.md.
        """
        while not self._waiting:
            if self.is_over:
                raise StopAsyncIteration
            await self._turn()
        self.position, row = self._waiting.popleft()
        return row

    async def has_more(self) -> bool:
        """Return whether deployments follow, by the count or, if that is not enough, by the next page.

        Raises:
            AlayaError: each control-plane row of docs/errors.md.
        """
        while not (self._waiting or self.is_over or self._more_are_counted):
            await self._turn()
        return not self.is_over or bool(self._waiting)

    @property
    def total(self) -> int | None:
        """How many deployments there are: those received once the list is over, the count before that."""
        counted, came = self._counted, self._came - self._unread
        if self.is_over and not (self._gaps or self._repeats):
            return None if counted and not came else came
        return counted if counted is not None and counted >= came else None

    @property
    def warnings(self) -> list[str]:
        """Inconsistencies in the list, a sentence or two each."""
        warnings = [self._about_the_end()]
        if self._gaps:
            pages = f"{'Page' if len(self._gaps) == 1 else 'Pages'} {', '.join(map(str, self._gaps))}"
            warnings.append(
                f"{pages} of the list is empty, but later ones are not: deployments are missing; call again."
            )
        if self._is_lost:
            warnings.append(
                "The list has changed so much since the cursor was returned that its place was not found: deployments "
                "may be missing or repeated. Call again without cursor for the current list."
            )
        if self._unread > self._start.unread:
            warnings.append(f"Rows of the list without an id are left out: {self._unread - self._start.unread}.")
        if self._twice:
            warnings.append(f"Rows of the list that repeat the id of another row are left out: {self._twice}.")
        return [warning for warning in warnings if warning]

    def _about_the_end(self) -> str:
        came = self._came - self._unread
        if self._repeats:
            return (
                f"The control plane repeats pages of the list: there may be more than the {came} deployments received. "
                "Each can still be named by its id."
            )
        if not self._counts or self._gaps:
            return ""
        most, least, counted = max(self._counts), min(self._counts), self._counts[-1]
        if came > most:
            return f"The control plane counts {most} deployments, but listed {came}; the list is used."
        if not (self.is_over and self._more_are_counted):
            return ""
        if self._came < least:
            return f"The control plane counts {least} deployments, but listed only {came}; call again."
        return (
            f"The list changed while it was read: {came} were listed, {counted} are counted now. Call again without "
            "cursor for the current list."
        )

    @property
    def _counted(self) -> int | None:
        return self._counts[-1] if self._counts else None

    @property
    def _more_are_counted(self) -> bool:
        return self._counted is not None and self._came < self._counted

    async def _turn(self) -> None:
        """Read the next page: queue its new rows, or end the list."""
        if not self._has_place:
            number, page, behind = await self._place()
            self._has_place = True
        else:
            number, behind = self._number, 0
            page = await self._fetch(number, self._start.size, self._deadline)
        is_short = self._is_short_of_earlier_rows(number, page)
        if page.total is not None:
            self._counts.append(page.total)
        if is_short:
            self._steps_back += 1
            self._number, self._before = number - 1, None
        else:
            self._accept(number, page, behind)

    async def _place(self) -> tuple[int, Page, int]:
        """Return the page that now holds the last deployment read, and how many of its rows were read."""
        start = self._start
        page = await self._fetch(start.page, start.size, self._deadline)
        moved = 0 if page.total is None or start.counted is None else page.total - start.counted
        whole, rest = divmod(max((start.page - 1) * start.size + start.skip + moved, 1) - 1, start.size)
        expected = whole + 1
        pages = {start.page: page}
        for number in (start.page, expected, *(start.page + distance for distance in _LOOKS)):
            if number < 1:
                continue
            if number not in pages:
                pages[number] = await self._fetch(number, start.size, self._deadline)
            marked = [at for at, row in enumerate(pages[number].rows, 1) if mark(row.service_id) in start.marks]
            if marked:
                return number, pages[number], marked[-1]
        self._is_lost, self._first = True, ""
        return expected, pages[expected], min(rest + (moved >= 0), len(pages[expected].rows))

    def _is_short_of_earlier_rows(self, number: int, page: Page) -> bool:
        """Return whether rows were deleted before this page, so that unread rows moved to the page before it."""
        counted = self._counted
        if counted is None or page.total is None or self._before is None or number == 1:
            return False
        is_plausible = self._came + page.size <= page.total  # else it is not a count of all rows
        return page.total < counted and is_plausible and self._steps_back < _MOST_STEPS_BACK

    def _accept(self, number: int, page: Page, behind: int) -> None:
        self._seen.update(_ids(page.rows[:behind]))
        fresh = 0
        if not behind:
            self._came += page.size - len(page.rows)
            self._unread += page.size - len(page.rows)
            self._twice += len(page.rows) - len({row.service_id for row in page.rows})
        first = mark(page.rows[0].service_id) if page.rows else ""
        if number == 1:
            self._first = self._first or first
        elif first and first == self._first == self._start.first and not behind:  # the list starts again
            self.is_over, self._repeats = True, self._may_hide_more(page)
            return
        for at, row in enumerate(page.rows[behind:], behind + 1):
            service_id = str(row.service_id)
            if service_id in self._seen or mark(service_id) in self._start.marks:
                continue
            fresh += 1
            self._seen.add(service_id)
            self._marks.append(mark(service_id))
            self._came += 1
            self._waiting.append((self._behind(number, at), row))
        if fresh:
            self._gaps += self._empty
            self._empty = []
        self._fruitless = 0 if fresh or behind else self._fruitless + 1
        self.is_over = not self._may_continue(number, page, has_fresh=bool(fresh or behind))
        self._longest = max(self._longest, page.size)
        self._before = page
        self._number = number + 1

    def _behind(self, number: int, at: int) -> Position:
        return replace(
            self._start,
            page=number,
            skip=at,
            came=self._came,
            unread=self._unread,
            counted=self._counted,
            began=self._counts[0] if self._counts else None,
            first=self._first,
            marks=tuple(self._marks),
        )

    def _may_continue(self, number: int, page: Page, *, has_fresh: bool) -> bool:
        """Return whether another page may follow this one."""
        counted = self._counted
        if not page.size:
            self._empty.append(number)
            was_full = self._before is not None and self._is_full(self._before, number - 1)
            may_be_a_gap = self._more_are_counted or (was_full and counted != self._came)
            return self._fruitless < _MOST_EMPTY and may_be_a_gap
        if not has_fresh:
            is_the_same = self._before is not None and _ids(self._before.rows) == _ids(page.rows)
            goes_on = self._fruitless < _MOST_FRUITLESS and not (is_the_same and page.size > 1)
            self._repeats = not goes_on and self._may_hide_more(page)
            return goes_on
        may_be_full = page.size >= self._longest and may_be_cut(page)  # a page shorter than an earlier one is not cut
        return counted != self._came or page.size >= self._start.size or may_be_full

    def _may_hide_more(self, page: Page) -> bool:
        """Return whether deployments may follow a page that was repeated in place of the next one."""
        is_full = page.size == self._start.size and self._counted != self._came
        return self._more_are_counted or is_full

    def _is_full(self, page: Page, number: int) -> bool:
        return page.size >= self._start.size or (number > 1 and page.size >= self._longest)


def _ids(rows: Iterable[Deployment]) -> list[str]:
    return [str(row.service_id) for row in rows]
