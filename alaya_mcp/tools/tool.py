"""What a tool is, and how one call to it goes from raw arguments to a protocol result."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Generic, TypeVar

import mcp_types as types
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from alaya_mcp.chat.conversation import Chats
from alaya_mcp.deadline import Deadline
from alaya_mcp.deployment.waiting import wait_until_ready
from alaya_mcp.deployment.wire import Deployment
from alaya_mcp.errors import AlayaError, InvalidArguments, NotConfigured
from alaya_mcp.progress import Notify, ProgressNotes
from alaya_mcp.results import ResultModel
from alaya_mcp.settings import READ_BUDGET_SECONDS, SERVICE_ID_LENGTH, SERVICE_ID_PATTERN, Settings, checked_service_id
from alaya_mcp.tools.boundary import error_result, internal_error, invalid_arguments
from alaya_mcp.tools.schema import portable_schema
from alaya_mcp.upstream.lookups import Lookups


@dataclass(frozen=True, slots=True)
class Session:
    """What tools work with, alive as long as the server."""

    settings: Settings
    lookups: Lookups
    chats: Chats

    def service_id(self, given: str | None) -> str:
        """The deployment a call is about.

        Raises:
            InvalidArguments: none was given and none is the default.
        """
        if service_id := given or self.settings.service_id:
            return service_id
        raise InvalidArguments(
            "service_id: is required, since no default deployment is configured.",
            next_step="Ask the user for the deployment's id (it stands in the Alaya NeW console) and pass it; "
            "ALAYA_SERVICE_ID in the host's configuration sets a default.",
        )

    async def look_up(self, given: str | None, notify: Notify, wait: float = 0) -> tuple[str, Deployment]:
        """The deployment that a read is about, under the id that was asked for; ready, if waiting brings that about.

        Raises:
            AlayaError: each control-plane row of docs/errors.md.
        """
        service_id = self.service_id(given)
        deadline = Deadline.after(READ_BUDGET_SECONDS)
        notes = ProgressNotes(notify, interval=0)

        async def look() -> Deployment:
            return await self.lookups.fresh(service_id, deadline)

        def tell(state: str, instances: str) -> None:
            notes.status("waiting", state, instances)

        async def work() -> Deployment:
            return await wait_until_ready(await look(), look, deadline.sooner(wait), tell)

        return service_id, await notes.during(work)


class Arguments(BaseModel):
    """Base of a tool's arguments: unknown ones are refused by name, none is required by the schema."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True, allow_inf_nan=False, frozen=True)

    service_id: Annotated[str, AfterValidator(checked_service_id)] | None = Field(
        default=None,
        description="Deployment id, a UUID as a rule. Default: ALAYA_SERVICE_ID, where it is set.",
        json_schema_extra={"pattern": SERVICE_ID_PATTERN, "maxLength": SERVICE_ID_LENGTH},
    )

    @classmethod
    def parse(cls, raw: Mapping[str, Any]) -> "Arguments":
        """Validated arguments; models fill optionals in, so empty ones count as not given.

        Raises:
            InvalidArguments: one line for each argument that is wrong.
        """
        known = list(cls.model_fields)
        given = {name: value for name, value in raw.items() if name not in known or value not in (None, "", [], {})}
        try:
            return cls.model_validate(given)
        except ValidationError as invalid:
            raise invalid_arguments(invalid, known) from None


ArgumentsT = TypeVar("ArgumentsT", bound=Arguments)
ResultT = TypeVar("ResultT", bound=ResultModel)


@dataclass(frozen=True, slots=True)
class Tool(Generic[ArgumentsT, ResultT]):
    """One MCP tool.

    Attributes:
        name: As hosts call it.
        title: As hosts show it.
        description: For the agent that chooses among tools.
        arguments: Their model, which is the input schema.
        result: Its model, which is the output schema.
        run: The work itself.
        text: The text form of a result.
        idempotent: Whether calling twice is the same as calling once.
    """

    name: str
    title: str
    description: str
    arguments: type[ArgumentsT]
    result: type[ResultT]
    run: Callable[[Session, ArgumentsT, Notify], Awaitable[ResultT]]
    text: Callable[[ResultT], str]
    idempotent: bool

    def listed(self) -> types.Tool:
        """As `tools/list` gives it. Why every tool counts as read-only: docs/decisions/annotations.md."""
        return types.Tool(
            name=self.name,
            title=self.title,
            description=self.description,
            input_schema=portable_schema(self.arguments, "validation"),
            output_schema=portable_schema(self.result, "serialization"),
            annotations=types.ToolAnnotations(
                title=self.title,
                read_only_hint=True,
                destructive_hint=False,
                idempotent_hint=self.idempotent,
                open_world_hint=True,
            ),
        )

    async def call(
        self, session: Session | NotConfigured, raw: Mapping[str, Any] | None, notify: Notify
    ) -> types.CallToolResult:
        """One call; every failure is a result that the agent can read."""
        try:
            arguments = self.arguments.parse(raw or {})
            if isinstance(session, NotConfigured):
                return error_result(session)
            result = await self.run(session, arguments, notify)  # type: ignore[arg-type] # parse returns its own class
            return types.CallToolResult(
                content=[types.TextContent(type="text", text=self.text(result))],
                structured_content=result.model_dump(mode="json", exclude_none=True),
            )
        except AlayaError as error:
            return error_result(error)
        except Exception as bug:  # noqa: BLE001 the boundary: a bug costs one call, not the process
            return error_result(internal_error(self.name, bug))
