"""The way to the control plane: proxies as the HTTP client takes them, names, and what TLS fails of."""

import asyncio
import contextlib
import socket
import ssl
import sys
import threading
from collections.abc import Mapping
from pathlib import Path

import httpx2
import pytest

from alaya_mcp.deadline import Deadline
from alaya_mcp.doctor.network import Handshake, distrust_in, shake_hands, try_port
from alaya_mcp.origins import Origin
from alaya_mcp.upstream.connection_pool import ConnectionPool
from alaya_mcp.upstream.failures import Failure
from alaya_mcp.upstream.proxies import exempting, proxies_in, proxy_for
from alaya_mcp.upstream.routes import Routes
from alaya_mcp.upstream.transport import Transport
from tests.certificates import DAY, NOW, certificate
from tests.doctor_patient import KEYS, Patient, no_proxies_of_the_developers_own
from tests.raw_server import always, serving
from tests.upstream import Exchange, Request, Upstream, says

__all__ = ["no_proxies_of_the_developers_own"]
SECONDS = 30.0
NOT_FOUND = always(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
ELSEWHERE = {**KEYS, "ALAYA_BASE_URL": "https://alaya.invalid/v1"}


def closed_port() -> tuple[socket.socket, int]:
    """A port that is held, and on which nobody listens."""
    bound = socket.socket()
    bound.bind(("127.0.0.1", 0))
    return bound, bound.getsockname()[1]


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("url", "no_proxy", "goes_through"),
    [
        ("http://a.invalid/v1", "", True),
        ("http://a.invalid/v1", "*", False),
        ("http://a.invalid/v1", "b.invalid, a.invalid", False),
        ("http://x.a.invalid/v1", "a.invalid", False),
        ("http://xa.invalid/v1", "a.invalid", True),
        ("http://a.invalid/v1", ".a.invalid", True),
        ("http://x.a.invalid/v1", ".a.invalid", False),
        ("http://x.a.invalid/v1", "*.a.invalid", False),
        ("http://a.invalid:81/v1", "a.invalid:81", False),
        ("http://a.invalid:82/v1", "a.invalid:81", True),
        ("http://a.invalid/v1", "http://a.invalid", False),
        ("http://x.a.invalid/v1", "http://a.invalid", True),
        ("http://a.invalid/v1", "https://a.invalid", True),
        ("http://a.invalid/v1", "A.INVALID", False),
        ("http://192.0.2.1/v1", "192.0.2.0/24", True),
        ("http://a.invalid/v1", "localhost,::1,192.168.0.0/16", True),
    ],
)
async def test_what_is_said_of_no_proxy_is_what_the_client_does(
    monkeypatch: pytest.MonkeyPatch, url: str, no_proxy: str, *, goes_through: bool
) -> None:
    if "192.0.2" in url:  # an address that nobody answers at: only our own reading of it can be asked
        assert (exempting(Origin.of(url), no_proxy) is None) is not goes_through
        return
    async with Upstream(models=says(200, {})) as proxy, Transport(Routes()) as transport:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("NO_PROXY", no_proxy)
        origin = Origin.of(url)
        deadline = Deadline.after(SECONDS)
        failed: Failure | None = None
        try:
            await transport.json_body("data", f"{url}/models", credential=None, deadline=deadline)
        except Failure as failure:
            failed = failure

        assert (failed.kind if failed else None) == (None if goes_through else "dns")
        environ = {"HTTP_PROXY": proxy.url, "NO_PROXY": no_proxy}
        told = proxy_for(origin, proxies_in(environ), environ)
    assert f"{told}" == (proxy.url if goes_through else "None")


@pytest.mark.parametrize(
    ("url", "proxies", "shown"),
    [
        ("https://a.invalid", {"https": "http://u:planted@p.invalid:3128"}, "http://p.invalid:3128"),
        ("https://a.invalid", {"https": "p.invalid:3128"}, "http://p.invalid:3128"),
        ("https://a.invalid", {"all": "socks5://[::1]"}, "socks5://[::1]:1080"),
        ("https://a.invalid", {"http": "http://p.invalid"}, "None"),
        ("http://127.0.0.1", {"http": "http://p.invalid"}, "None"),
        ("https://a.invalid", {"https": "https://p.invalid", "all": "http://q.invalid"}, "https://p.invalid:443"),
    ],
)
def test_a_proxy_is_shown_without_user_name_and_password(url: str, proxies: dict[str, str], shown: str) -> None:
    assert f"{proxy_for(Origin.of(url), proxies, {})}" == shown


@pytest.mark.anyio
@pytest.mark.parametrize("scheme", ["http", "socks5", "socks5h"])
async def test_a_proxy_that_is_not_there_is_told_by_its_variable(monkeypatch: pytest.MonkeyPatch, scheme: str) -> None:
    held, port = closed_port()
    with held:
        environ = {**ELSEWHERE, "all_proxy": f"{scheme}://u:planted-pass@127.0.0.1:{port}"}
        monkeypatch.setenv("all_proxy", environ["all_proxy"])
        examined = await Patient(environ).examined()

    assert examined.troubles == [("failed", "proxy", "proxy_unreachable")]
    assert f"{scheme}://127.0.0.1:{port}, which all_proxy names" in examined.check("proxy").found
    assert "planted-pass" not in examined.shown


@pytest.mark.anyio
async def test_a_proxy_whose_name_has_no_address_is_not_there_either(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.invalid:3128")
    examined = await Patient({**ELSEWHERE, "HTTPS_PROXY": "http://proxy.invalid:3128"}).examined()

    assert examined.troubles == [("failed", "proxy", "proxy_unreachable")]


@pytest.mark.anyio
@pytest.mark.parametrize("value", ["nonsense://planted-pass@h.invalid", "http://h.invalid:planted-pass"])
async def test_a_proxy_that_is_no_proxys_url_is_told_without_quoting_it(
    monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", value)
    examined = await Patient({**ELSEWHERE, "HTTPS_PROXY": value}).examined()

    assert examined.troubles == [("failed", "proxy", "proxy_unusable")]
    assert "HTTPS_PROXY" in examined.check("proxy").found
    assert "planted-pass" not in examined.shown


@pytest.mark.anyio
async def test_a_proxy_that_refuses_is_told_apart_from_one_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(_: Request, exchange: Exchange) -> None:
        await exchange.answer(403, b"", headers={})

    async with Upstream(chat=refuse) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        examined = await Patient({**ELSEWHERE, "HTTPS_PROXY": proxy.url}).examined()

    assert examined.troubles == [("failed", "control_plane", "proxy_refused")]
    assert examined.verdicts["proxy"] == "proxy_there"
    assert "resolves the name" in examined.check("dns").found


@pytest.mark.anyio
async def test_for_this_machine_no_proxy_is_used_whatever_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "http://proxy.invalid:1")
    async with Upstream() as upstream:
        examined = await Patient({**upstream.environ, "ALL_PROXY": "http://proxy.invalid:1"}).examined()

    assert examined.check("proxy").found == "none is used for loopback"
    assert examined.verdicts["tls"] == "not_needed"


@pytest.mark.anyio
async def test_certificates_that_cannot_be_read_are_no_fault_of_a_proxy(tmp_path: Path) -> None:
    examined = await Patient({**ELSEWHERE, "SSL_CERT_FILE": str(tmp_path / "nowhere.pem")}).examined()

    assert examined.troubles == [("failed", "proxy", "certificates_unusable")]
    assert "SSL_CERT_FILE" in examined.check("proxy").next_step


@pytest.mark.anyio
async def test_a_resolver_that_never_answers_does_not_hold_the_doctor_up() -> None:
    leave = threading.Event()

    def hang(_: str, __: int) -> list[str]:
        leave.wait()
        return []

    examined = await Patient(ELSEWHERE, resolve=hang).examined(seconds=0.2)
    waiting = [thread.daemon for thread in threading.enumerate() if thread.name == "resolver"]
    leave.set()

    assert examined.troubles == [("failed", "dns", "out_of_time")]
    assert examined.check("tls").verdict == "left_out"
    assert waiting == [True]  # so that the program's end does not wait for it


async def shaken(server: ssl.SSLContext, client: ssl.SSLContext, host: str = "localhost") -> Handshake:
    """The outcome of a handshake, the same over this project's connections and the HTTP library's."""
    async with (
        serving(NOT_FOUND, server) as url,
        httpx2.AsyncHTTPTransport(verify=client, trust_env=False) as plain,
        ConnectionPool(client, SECONDS, 1) as pooled,
    ):
        found, same = [
            await shake_hands(transport, url.replace("localhost", host), SECONDS) for transport in (pooled, plain)
        ]
    assert found == same
    return found


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("made", "distrust"),
    [
        ({"from_days": -5, "until_days": -3}, "expired"),
        ({"from_days": 3, "until_days": 5}, "not_yet_valid"),
        ({"authority": False}, "self_signed"),
        ({"host": "another.invalid"}, "wrong_name"),
    ],
)
async def test_each_reason_for_which_a_certificate_is_not_trusted_is_told_apart(
    tmp_path: Path, made: Mapping[str, int | bool | str], distrust: str
) -> None:
    server, client = certificate(tmp_path, **made)  # pyright: ignore[reportArgumentType] # a table of keywords

    assert await shaken(server, client) == Handshake(distrust)  # pyright: ignore[reportArgumentType] # as above


@pytest.mark.anyio
async def test_an_address_that_a_certificate_does_not_name_is_a_wrong_name(tmp_path: Path) -> None:
    server, client = certificate(tmp_path)

    assert (await shaken(server, client, "127.0.0.1")).distrust == "wrong_name"


@pytest.mark.anyio
async def test_an_authority_that_nobody_knows_is_told_apart_from_a_certificate_of_its_own(tmp_path: Path) -> None:
    server, _ = certificate(tmp_path)

    assert (await shaken(server, ssl.create_default_context())).distrust == "unknown_authority"


@pytest.mark.anyio
async def test_of_a_certificate_that_is_trusted_its_last_day_is_told(tmp_path: Path) -> None:
    server, client = certificate(tmp_path)
    seen = await shaken(server, client)

    assert seen == Handshake(None, has_connected=True, until=f"{NOW + DAY:%Y-%m-%d}", version="TLSv1.3")


@pytest.mark.anyio
async def test_tls_that_fails_ends_the_examination_with_its_reason(tmp_path: Path) -> None:
    server, _ = certificate(tmp_path, authority=False)
    async with serving(NOT_FOUND, server) as url:
        examined = await Patient({**KEYS, "ALAYA_BASE_URL": f"{url}/v1"}).examined()

    assert examined.troubles == [("failed", "tls", "tls_failed")]
    (reason,) = examined.check("tls").facts
    assert reason.value in {"self_signed", "unknown_authority"}  # macOS and Windows do not tell these two apart
    assert examined.check("key").found.endswith("TLS")


@pytest.mark.anyio
async def test_https_to_a_port_of_plain_http_is_not_tls() -> None:
    async with Upstream() as upstream:
        base = upstream.url.replace("http:", "https:")
        examined = await Patient({**KEYS, "ALAYA_BASE_URL": f"{base}/v1"}).examined()

    assert examined.troubles == [("failed", "tls", "tls_failed")]


def test_an_error_that_is_not_about_tls_is_not_taken_for_one() -> None:
    plain = ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number")
    plain.reason = "WRONG_VERSION_NUMBER"

    assert distrust_in(ExceptionGroup("both addresses", [OSError("refused"), plain])) == "not_tls"
    assert distrust_in(OSError("refused")) is None
    assert distrust_in(None) is None


@pytest.mark.anyio
@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere this machine has one loopback address")
async def test_an_address_that_swallows_everything_does_not_hide_one_that_answers() -> None:
    def resolve(host: str, port: int) -> list[str]:
        del host, port
        return ["127.0.0.2", "127.0.0.1"]

    with socket.socket() as hole, contextlib.ExitStack() as waiting:
        hole.bind(("127.0.0.2", 0))
        hole.listen(0)
        port = hole.getsockname()[1]
        for _ in range(4):  # whoever comes after them is not even refused
            one = waiting.enter_context(socket.socket())
            one.setblocking(False)  # noqa: FBT003 as the standard library has it
            one.connect_ex(("127.0.0.2", port))
        server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", port)
        async with server:
            await try_port("proxy.invalid", port, resolve, SECONDS)
