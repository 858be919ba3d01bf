"""The exact headers of both planes, by the samples in the API's documentation, and that they stay at home."""

import pytest
from pydantic import SecretStr

from alaya_mcp.deadline import Deadline
from alaya_mcp.origins import Credential, Origin
from alaya_mcp.upstream.routes import Routes
from alaya_mcp.upstream.transport import Transport
from tests.upstream import Upstream

HOME = Origin("https", "api.alayanew.com", 443)


def test_the_control_planes_header_is_the_documented_one() -> None:
    credential = Credential.of_key_pair(HOME, SecretStr("YOUR_AK"), SecretStr("YOUR_SK"))

    headers = credential.headers_for("https://api.alayanew.com/api/serverless-infer/v1/deployment/x")

    assert headers == {"Authorization": "plain Credential=YOUR_AK,Signature=YOUR_SK"}


def test_the_data_planes_header_is_the_documented_one() -> None:
    credential = Credential.of_api_key(HOME, SecretStr("KEY"))

    assert credential.headers_for("https://api.alayanew.com:443/v1/chat/completions") == {"apiKey": "KEY"}


@pytest.mark.parametrize(
    "url",
    [
        "http://api.alayanew.com/x",
        "https://api.alayanew.com:444/x",
        "https://api.alayanew.com.evil.invalid/x",
        "https://evil.invalid/api.alayanew.com",
    ],
)
def test_a_credential_does_not_leave_its_origin(url: str) -> None:
    credential = Credential.of_key_pair(HOME, SecretStr("ak"), SecretStr("sk"))

    with pytest.raises(RuntimeError, match="origin"):
        credential.headers_for(url)


@pytest.mark.anyio
async def test_a_request_with_the_credential_of_another_origin_is_not_sent() -> None:
    async with Upstream() as upstream, Transport(Routes({})) as transport:
        credential = Credential.of_api_key(HOME, SecretStr("planted"))
        with pytest.raises(RuntimeError, match="origin"):
            await transport.json_body("data", upstream.url, credential=credential, deadline=Deadline.after(9))

    assert upstream.requests == []
