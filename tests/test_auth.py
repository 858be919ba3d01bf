"""The exact headers of both planes, by the samples in the API's documentation, and that they stay at home."""

import httpx2
import pytest
from pydantic import SecretStr

from alaya_mcp.origins import Origin
from alaya_mcp.upstream.auth import AccessKeyAuth, ApiKeyAuth

HOME = Origin("https", "api.alayanew.com", 443)


def signed(auth: httpx2.Auth, url: str) -> httpx2.Headers:
    return next(auth.auth_flow(httpx2.Request("GET", url))).headers


def test_the_control_planes_header_is_the_documented_one() -> None:
    auth = AccessKeyAuth(HOME, SecretStr("YOUR_AK"), SecretStr("YOUR_SK"))

    headers = signed(auth, "https://api.alayanew.com/api/serverless-infer/v1/deployment/x")

    assert headers["authorization"] == "plain Credential=YOUR_AK,Signature=YOUR_SK"


def test_the_data_planes_header_is_the_documented_one() -> None:
    headers = signed(ApiKeyAuth(HOME, SecretStr("KEY")), "https://api.alayanew.com:443/v1/chat/completions")

    assert (b"apiKey", b"KEY") in headers.raw
    assert "authorization" not in headers


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
    request = httpx2.Request("GET", url)

    with pytest.raises(RuntimeError, match="origin"):
        next(AccessKeyAuth(HOME, SecretStr("ak"), SecretStr("sk")).auth_flow(request))

    assert "authorization" not in request.headers
