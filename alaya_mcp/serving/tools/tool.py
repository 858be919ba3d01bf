"""A tool, and the path of a call from raw arguments to a protocol result."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any, Final, Generic, TypeVar

import mcp_types as types
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from alaya_mcp.accounts import Account
from alaya_mcp.deadline import Deadline
from alaya_mcp.deployment.spelling import REFERENCE_LENGTH, checked_reference
from alaya_mcp.errors import AlayaError, DeploymentNotFound, InternalError
from alaya_mcp.progress import ProgressNotes
from alaya_mcp.results import ResultModel
from alaya_mcp.serving.access import Access, of_guest
from alaya_mcp.serving.caller import Caller
from alaya_mcp.serving.elicitation import AnswerAwaited, chosen
from alaya_mcp.serving.errors import error_result, internal_error, invalid_arguments
from alaya_mcp.serving.tools.schema import portable_schema, result_schema
from alaya_mcp.telemetry import logged_call

CARD_URI: Final = "ui://alaya/card.html"
"""The page that hosts with MCP Apps show beside a result; others ignore it (docs/card.md)."""


class Arguments(BaseModel):
    """Base of a tool's arguments: unknown ones are refused by name, none is required by the schema."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True, allow_inf_nan=False, frozen=True)

    @classmethod
    def parse(cls, raw: Mapping[str, Any]) -> "Arguments":
        """Return validated arguments; models fill in optional ones, so empty values count as not given.

        Raises:
            InvalidArguments: with one line for each invalid argument.
        """
        known = list(cls.model_fields)
        given = {name: value for name, value in raw.items() if name not in known or value not in (None, "", [], {})}
        try:
            return cls.model_validate(given)
        except ValidationError as invalid:
            raise invalid_arguments(invalid, known) from None


class DeploymentArguments(Arguments):
    """Base of the arguments of a tool that is about one deployment."""

    service_id: Annotated[str, AfterValidator(checked_reference)] | None = Field(
        default=None,
        description="The deployment's id, name or alias; default: ALAYA_SERVICE_ID, where set",
        json_schema_extra={"maxLength": REFERENCE_LENGTH},
    )

    async def reference(
        self, account: Account, caller: Caller, deadline: Deadline, notes: ProgressNotes
    ) -> tuple[str, Deadline]:
        """Return the given reference, the default, or what the host's user chooses, and the call's deadline.

        Raises:
            AlayaError, AnswerAwaited: as `chosen`.
        """
        if named := self.service_id or account.settings.service_id:
            return named, deadline
        return await chosen(account, caller.asker(), deadline, notes)


@dataclass(frozen=True, slots=True)
class Answer:
    """A result in its two forms, and the facts in it that are logged.

    Attributes:
        forms: For the protocol.
        service_id: The deployment, if it is about one.
        truncated: What truncated it, or None.
    """

    forms: types.CallToolResult
    service_id: str | None
    truncated: str | None

    @classmethod
    def of(cls, result: ResultModel, text: str) -> "Answer":
        """Return a result with its text form."""
        forms = types.CallToolResult(
            content=[types.TextContent(type="text", text=text)],
            structured_content=result.model_dump(mode="json", exclude_none=True),
        )
        return cls(forms, getattr(result, "service_id", None), getattr(result, "truncated_reason", None))


ArgumentsT = TypeVar("ArgumentsT", bound=Arguments)


@dataclass(frozen=True, slots=True)
class Tool(Generic[ArgumentsT]):
    """One MCP tool.

    Attributes:
        name: For the protocol.
        title: For display.
        description: For the agent that chooses among tools.
        arguments: Model of the input schema.
        result: Model of the output schema.
        run: The implementation.
        idempotent: Whether calling twice is the same as calling once.
        card: Whether the card shows its results.
    """

    name: str
    title: str
    description: str
    arguments: type[ArgumentsT]
    result: type[ResultModel]
    run: Callable[[Account, ArgumentsT, Caller], Awaitable[Answer]]
    idempotent: bool
    card: bool = False

    def listed(self) -> types.Tool:
        """Return the entry of `tools/list`. Why every tool is read-only: docs/decisions/annotations.md."""
        return types.Tool(
            name=self.name,
            title=self.title,
            description=self.description,
            input_schema=portable_schema(self.arguments, "validation"),
            output_schema=result_schema(self.result),
            annotations=types.ToolAnnotations(
                title=self.title,
                read_only_hint=True,
                destructive_hint=False,
                idempotent_hint=self.idempotent,
                open_world_hint=True,
            ),
            _meta={"ui": {"resourceUri": CARD_URI}} if self.card else None,
        )

    async def call(self, account: Access, raw: Mapping[str, Any] | None, caller: Caller) -> types.CallToolResult:
        """Run the tool and return its result; every failure is a result that the agent can read.

        Raises:
            AnswerAwaited: the host must ask its user first and call again.
        """
        with logged_call(self.name, account.fingerprint if isinstance(account, Account) else None) as facts:
            try:
                arguments = self.arguments.parse(raw or {})
                if isinstance(account, AlayaError):
                    facts.outcome = account.code
                    return error_result(account)
                answer = await self.run(account, arguments, caller)  # type: ignore[arg-type] # parse returns its own class
            except AnswerAwaited:
                facts.outcome = "input_required"
                raise
            except AlayaError as error:
                facts.outcome = error.code
                named = (raw or {}).get("service_id") or (raw or {}).get("read_on")
                default = account.settings.service_id if isinstance(account, Account) and not named else None
                return error_result(of_guest(_of_the_default(error, default) if default else error, account))
            except Exception as bug:  # noqa: BLE001 the boundary: a bug costs one call, not the process
                facts.outcome = InternalError.code
                return error_result(of_guest(internal_error(self.name, bug), account))
            facts.service_id, facts.truncated = facts.service_id or answer.service_id, answer.truncated
            return answer.forms


def _of_the_default(error: AlayaError, default: str) -> AlayaError:
    """Return the error of a call without service_id, marked if it is about the default deployment."""
    is_unclear = isinstance(error, DeploymentNotFound) or error.cause == "name_ambiguous"
    return replace(error, default=default) if is_unclear else error
