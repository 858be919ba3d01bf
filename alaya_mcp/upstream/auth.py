"""The two auth schemes, one per plane, each bound to its own origin."""

from collections.abc import Generator

import httpx2
from pydantic import SecretStr

from alaya_mcp.origins import Origin


class _OriginBound(httpx2.Auth):
    """Sets one header, and only on requests to its own origin."""

    def __init__(self, origin: Origin, header: str, value: SecretStr) -> None:
        self._origin = origin
        self._header = header
        self._value = value

    def auth_flow(self, request: httpx2.Request) -> Generator[httpx2.Request, httpx2.Response, None]:
        """Add the credential to the request.

        Raises:
            RuntimeError: the request goes to another origin, a bug in this package.
        """
        if Origin.of(str(request.url)) != self._origin:
            raise RuntimeError("a credential was about to leave its origin")
        request.headers[self._header] = self._value.get_secret_value()
        yield request


class AccessKeyAuth(_OriginBound):
    """The control plane: `Authorization: plain Credential=AK,Signature=SK` (API documentation, Authorizations)."""

    def __init__(self, origin: Origin, access_key: SecretStr, secret_key: SecretStr) -> None:
        credential = f"plain Credential={access_key.get_secret_value()},Signature={secret_key.get_secret_value()}"
        super().__init__(origin, "Authorization", SecretStr(credential))


class ApiKeyAuth(_OriginBound):
    """One deployment's engine: `apiKey: KEY` (API documentation, service call)."""

    def __init__(self, origin: Origin, api_key: SecretStr) -> None:
        super().__init__(origin, "apiKey", api_key)
