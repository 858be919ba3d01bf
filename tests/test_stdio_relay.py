"""What `stdio.Relay` and `unreadable` rely on in the SDK, stated so that a new release that changes it fails a test."""

import json
from typing import Any

import mcp_types as types
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp.shared.message import SessionMessage
from pydantic import TypeAdapter, ValidationError

from alaya_mcp.config.settings import load_settings
from alaya_mcp.serving.server import create_server
from alaya_mcp.serving.stdio.transport import Relay
from alaya_mcp.serving.stdio.unreadable import Unreadable, envelopes, unreadable
from tests.stdio_host import MODERN, host

SETTINGS = load_settings({"ALAYA_ACCESS_KEY": "ak", "ALAYA_SECRET_KEY": "sk"})


def request(method: str, **params: Any) -> SessionMessage:  # noqa: ANN401 any JSON value
    return SessionMessage(types.JSONRPCRequest(jsonrpc="2.0", id=1, method=method, params=params or None))


@pytest.mark.anyio
async def test_discover_is_answered_word_for_word_as_the_sdk_answers_it() -> None:
    async with host("--sandbox") as server:
        await server.request(1, "server/discover", {"_meta": MODERN})
        await server.request(2, "tools/list", {"_meta": MODERN})
        await server.request(3, "server/discover", {"_meta": MODERN})
        relayed, _, sdk = await server.answer(1), await server.answer(2), await server.answer(3)

    assert relayed["result"] == sdk["result"]


def test_only_a_discover_before_the_first_other_request_is_answered_here() -> None:
    relay = Relay(create_server(SETTINGS))
    discover = request("server/discover", _meta=MODERN)

    assert relay.reply_to(discover) is not None
    assert relay.reply_to(discover) is not None
    assert relay.reply_to(request("initialize")) is None
    assert relay.reply_to(discover) is None


@pytest.mark.parametrize(
    "meta",
    [None, {}, {**MODERN, "io.modelcontextprotocol/protocolVersion": "1999-01-01"}, {"progressToken": 1}],
)
def test_a_discover_that_is_not_well_formed_is_left_to_the_sdk(meta: dict[str, Any] | None) -> None:
    relay = Relay(create_server(SETTINGS))

    assert (
        relay.reply_to(request("server/discover", _meta=meta) if meta is not None else request("server/discover"))
        is None
    )


@pytest.mark.parametrize(
    "line", ['{"id": 7, "jsonrpc"', '{"jsonrpc": "2.0", "id": 7}', '{"jsonrpc": "2.0", "id": 7, "method": 1}']
)
def test_the_sdks_decoder_hands_over_what_could_not_be_decoded(line: str) -> None:
    with pytest.raises(ValidationError) as failure:
        types.jsonrpc_message_adapter.validate_json(line, by_name=False)

    assert [refusal.id for refusal in unreadable(failure.value, set()).refusals] == [7]


def test_an_error_that_is_no_decoding_error_has_no_answer() -> None:
    assert unreadable(OSError("gone"), set()) == Unreadable()


def test_an_id_of_no_valid_type_has_no_answer() -> None:
    with pytest.raises(ValidationError) as failure:
        TypeAdapter(types.JSONRPCRequest).validate_python({"id": [1], "jsonrpc": "2.0"})

    assert unreadable(failure.value, set()) == Unreadable()


_SIMPLE = st.one_of(st.text(), st.integers(), st.booleans(), st.none(), st.floats(allow_nan=False))


def _holding(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.lists(inner, max_size=4) | st.dictionaries(st.text() | st.just("id"), inner, max_size=4)


_JSON = st.recursive(_SIMPLE, _holding, max_leaves=8)


@given(
    st.text() | st.integers(-(10**30), 10**30),
    st.dictionaries(st.text().filter(lambda name: name != "id"), _JSON, max_size=4),
    st.dictionaries(st.text().filter(lambda name: name != "id"), _JSON, max_size=4),
    st.sampled_from([None, 1]),
)
def test_the_id_is_found_in_any_line_wherever_it_stands(
    request_id: str | int, before: dict[str, Any], after: dict[str, Any], indent: int | None
) -> None:
    line = json.dumps({**before, "id": request_id, **after}, indent=indent)

    (message,) = envelopes(line)
    (of_a_batch, _) = envelopes(f"[{line}, {{}}]")

    assert message.id == of_a_batch.id == request_id
    assert {"id", *before, *after} <= message.fields
