"""list_deployments: the account's deployments, page by page."""

import binascii
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import asdict
from typing import Annotated, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from alaya_mcp.accounts import Account
from alaya_mcp.config.settings import READ_BUDGET_SECONDS
from alaya_mcp.deadline import Deadline
from alaya_mcp.deployment.listing import Filters, list_summary, shown_row
from alaya_mcp.deployment.spelling import checked_reference
from alaya_mcp.errors import AlayaError, InvalidArguments
from alaya_mcp.results import DeploymentListResult, DeploymentRow, Kind, Status
from alaya_mcp.serving.caller import Caller
from alaya_mcp.serving.errors import told
from alaya_mcp.serving.tools.reading import Reading
from alaya_mcp.serving.tools.text import deployment_list_text
from alaya_mcp.serving.tools.tool import Answer, Arguments, Tool
from alaya_mcp.upstream.deployment_lookup import MOST_ROWS
from alaya_mcp.upstream.position import LARGEST_PAGE, MARK_LENGTH, MOST_MARKS, Position

_CURSOR_LENGTH: Final = 2_000
"""Room for a name of 256 four-byte characters in base64, and the other fields."""


class ListDeploymentsArguments(Arguments):
    """Filters, page size and cursor."""

    status: Status | None = Field(None, description="Only those in this state")
    kind: Kind | None = Field(None, description="Only these; lora: adapters deployed on a base")
    name: Annotated[str, AfterValidator(checked_reference)] | None = Field(
        None, description="Only those whose name contains this, in any case"
    )
    limit: int = Field(20, ge=1, le=LARGEST_PAGE, description="Deployments per result, 1 to 100")
    cursor: str | None = Field(
        None, max_length=_CURSOR_LENGTH, description="next_cursor of the previous result, for the next ones"
    )

    def beginning(self) -> tuple[Filters, Position]:
        """Return the filters and the start position.

        Raises:
            InvalidArguments: the cursor is not this server's, or belongs to other filters.
        """
        asked = Filters(self.status, self.kind, self.name)
        if self.cursor is None:
            return asked, Position(LARGEST_PAGE if asked.are_any else self.limit)
        begun = _Cursor.decoded(self.cursor)
        filters = Filters(begun.status, begun.kind, begun.name)
        if asked.are_any and asked != filters:
            raise InvalidArguments("cursor_of_other_filters", detail=str(filters))
        return filters, begun.position


class _Cursor(BaseModel):
    """A position and its filters, as agents pass it back."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    size: int = Field(ge=1, le=LARGEST_PAGE)
    page: int = Field(ge=1, le=10**6)
    skip: int = Field(ge=0, le=10**6)
    came: int = Field(ge=0, le=10**9)
    unread: int = Field(0, ge=0, le=10**9)
    counted: int | None = Field(None, ge=0)
    began: int | None = Field(None, ge=0)
    first: str = Field("", pattern=rf"^(?:[0-9a-f]{{{MARK_LENGTH}}})?$")
    marks: str = Field(pattern=rf"^(?:[0-9a-f]{{{MARK_LENGTH}}}){{1,{MOST_MARKS}}}$")
    status: Status | None = None
    kind: Kind | None = None
    name: str | None = None

    @property
    def position(self) -> Position:
        marks = tuple(self.marks[at : at + MARK_LENGTH] for at in range(0, len(self.marks), MARK_LENGTH))
        return Position(**self.model_dump(exclude={"status", "kind", "name", "marks"}), marks=marks)

    @classmethod
    def decoded(cls, text: str) -> "_Cursor":
        try:
            return cls.model_validate_json(urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        except (ValidationError, binascii.Error, ValueError):
            raise InvalidArguments("cursor_unknown") from None

    @classmethod
    def encoded(cls, position: Position, filters: Filters) -> str:
        place = asdict(position) | {"marks": "".join(position.marks)}
        fields = {key: value for key, value in (place | asdict(filters)).items() if value not in (None, "")}
        return (
            urlsafe_b64encode(json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode())
            .decode()
            .rstrip("=")
        )


async def _run(account: Account, arguments: ListDeploymentsArguments, caller: Caller) -> Answer:
    filters, start = arguments.beginning()
    reading = Reading.begin(account, caller, "listing the deployments")
    result = await reading.notes.during(lambda: _listed(account, filters, start, arguments.limit, reading.deadline))
    return Answer.of(result, deployment_list_text(result))


async def first_deployments(account: Account) -> DeploymentListResult:
    """Return the deployments on the API's first page.

    Raises:
        AlayaError: each control-plane row of docs/errors.md.
    """
    return await _listed(account, Filters(), Position(), LARGEST_PAGE, Deadline.after(READ_BUDGET_SECONDS))


async def _listed(
    account: Account, filters: Filters, start: Position, limit: int, deadline: Deadline
) -> DeploymentListResult:
    walk = account.names.walk(deadline, start)
    rows: list[DeploymentRow] = []
    looked_at = 0
    warnings: list[str] = []
    has_more, is_full = True, False
    try:
        while len(rows) < limit and looked_at < MOST_ROWS and (row := await anext(walk, None)):
            looked_at += 1
            if filters.match(row):
                rows.append(shown_row(row))
        is_full = True
        has_more = await walk.has_more()
    except AlayaError as error:
        if not rows or not (error.retryable or is_full):  # a failed look-ahead loses no received row
            raise
        warnings.append(f"The list could not be read to its end: {told(error)}")
    return DeploymentListResult(
        deployments=rows,
        total=walk.total,
        next_cursor=_Cursor.encoded(walk.position, filters) if has_more else None,
        summary=list_summary(rows, filters, walk.total, goes_on=bool(start.marks), has_more=has_more),
        warnings=[*walk.warnings, *warnings],
    )


LIST_DEPLOYMENTS = Tool(
    name="list_deployments",
    title="List deployments",
    description=(
        "List the account's model deployments on Alaya NeW, each with id, name, state and models. Use it to find the "
        "deployment that the user means; every other tool takes its name or id as service_id. Changes nothing."
    ),
    arguments=ListDeploymentsArguments,
    result=DeploymentListResult,
    run=_run,
    idempotent=True,
)
