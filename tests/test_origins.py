"""Which URLs are used, and with whose credentials; every address here is parsed, none is contacted."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alaya_mcp.origins import (
    Origin,
    UrlRefused,
    base_url,
    is_link_local,
    is_loopback,
    service_endpoint,
    shown_endpoint,
)

REMOTE = Origin("https", "api.alayanew.com", 443)
LOCAL = Origin("http", "127.0.0.1", 8080)

LOOPBACK_HOSTS = [
    "127.0.0.1",
    "127.1",
    "127.255.255.254",
    "2130706433",
    "0x7f000001",
    "0177.0.0.1",
    "[::1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[0:0:0:0:0:0:0:1]",
    "0.0.0.0",  # noqa: S104 a host to be refused, not one to listen on
    "0",
    "[::]",
    "localhost",
    "LOCALHOST",
    "localhost.",
    "sub.localhost",
    "127.0.0.1.",
]
LINK_LOCAL_HOSTS = [
    "169.254.169.254",
    "2852039166",
    "0xa9fea9fe",
    "0251.0376.0251.0376",
    "169.254.43518",
    "169.254.169.254.",
    "[fe80::1]",
    "[fe80::1%25eth0]",
    "[::ffff:169.254.1.1]",
    "[::ffff:a9fe:a9fe]",
]
OTHER_HOSTS = [
    "api.alayanew.com",
    "10.0.0.5",
    "192.168.1.1",
    "128.0.0.1",
    "126.255.255.255",
    "169.253.1.1",
    "[2001:db8::1]",
    "[::ffff:10.0.0.1]",
    "localhost.example.com",
    "notlocalhost",
    "127.0.0.1.example.com",
    "infer.team.svc.cluster.local",
]


def bare(host: str) -> str:
    return host.removeprefix("[").removesuffix("]").replace("%25", "%")


@pytest.mark.parametrize("host", LOOPBACK_HOSTS)
def test_every_spelling_of_this_machine_is_loopback(host: str) -> None:
    assert is_loopback(bare(host))
    assert not is_link_local(bare(host))


@pytest.mark.parametrize("host", LINK_LOCAL_HOSTS)
def test_every_spelling_of_a_link_local_address_is_link_local(host: str) -> None:
    assert is_link_local(bare(host))
    assert not is_loopback(bare(host))


@pytest.mark.parametrize("host", OTHER_HOSTS)
def test_another_host_is_neither_loopback_nor_link_local(host: str) -> None:
    assert not is_loopback(bare(host))
    assert not is_link_local(bare(host))


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("host", LINK_LOCAL_HOSTS)
def test_a_service_url_on_a_link_local_address_is_refused_wherever_the_control_plane_is(host: str, scheme: str) -> None:
    for control_plane in (REMOTE, LOCAL):
        with pytest.raises(UrlRefused, match="link-local"):
            service_endpoint(f"{scheme}://{host}:8000/x", control_plane=control_plane)


@pytest.mark.parametrize("host", LOOPBACK_HOSTS)
def test_a_service_url_on_loopback_is_refused_unless_the_control_plane_is_there(host: str) -> None:
    with pytest.raises(UrlRefused, match="this machine"):
        service_endpoint(f"https://{host}:8000/x", control_plane=REMOTE)
    assert service_endpoint(f"http://{host}:8000/x", control_plane=LOCAL).endswith(":8000/x")


@pytest.mark.parametrize(
    "host",
    [
        "169\u3002254\u3002169\u3002254",
        "169\uff0e254\uff0e169\uff0e254",
        "169\uff61254.169.254",
        "127\u30020\u30020\u30021",
        "localhost\u3002",
    ],
)
def test_dots_of_other_scripts_do_not_hide_an_address(host: str) -> None:
    # IDNA makes full stops of them, so the HTTP client connects to the address.
    with pytest.raises(UrlRefused):
        service_endpoint(f"http://{host}/x", control_plane=REMOTE)


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("host", OTHER_HOSTS)
def test_a_service_url_elsewhere_is_taken_plain_http_too(host: str, scheme: str) -> None:
    assert service_endpoint(f"{scheme}://{host}/x/", control_plane=REMOTE) == f"{scheme}://{host}/x"


@pytest.mark.parametrize("host", LOOPBACK_HOSTS)
def test_a_base_url_is_plain_http_on_loopback_only(host: str) -> None:
    assert base_url(f"http://{host}:9/v1") == f"http://{host.lower()}:9/v1"


@pytest.mark.parametrize("host", OTHER_HOSTS)
def test_a_base_url_elsewhere_is_https_only(host: str) -> None:
    assert base_url(f"https://{host}/v1") == f"https://{host}/v1"
    with pytest.raises(UrlRefused, match="must use https"):
        base_url(f"http://{host}/v1")


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://h.example", "https://h.example"),
        ("https://h.example/", "https://h.example"),
        ("https://h.example///", "https://h.example"),
        ("https://h.example/a/b//", "https://h.example/a/b"),
        ("  https://h.example/a \n", "https://h.example/a"),
        ("HTTPS://H.Example/A", "https://h.example/A"),
        ("https://h.example:443/a", "https://h.example:443/a"),
        ("http://h.example:8000", "http://h.example:8000"),
        ("https://[2001:DB8::1]:8000/a", "https://[2001:db8::1]:8000/a"),
        ("https://h.example/a%20b", "https://h.example/a%20b"),
        ("https://user:S3cret@h.example/a", "https://h.example/a"),
        ("https://S3cret@h.example:1/a", "https://h.example:1/a"),
        ("https://u:p@S3cret@h.example/a", "https://h.example/a"),
        ("https://h.example/a?token=S3cret", "https://h.example/a"),
        ("https://h.example/a/?token=S3cret#x", "https://h.example/a"),
        ("https://h.example/a#S3cret", "https://h.example/a"),
        ("https://h.example?S3cret", "https://h.example"),
    ],
)
def test_an_endpoint_is_shown_without_userinfo_query_fragment_or_trailing_slash(url: str, shown: str) -> None:
    assert shown_endpoint(url) == shown
    assert service_endpoint(url, control_plane=REMOTE) == shown


@pytest.mark.parametrize(
    "extra",
    [
        "https://S3cret@h.example",
        "https://u:S3cret@h.example",
        "https://@h.example",
        "https://h/?S3cret",
        "https://h/#S3cret",
    ],
)
def test_a_base_url_with_userinfo_query_or_fragment_is_refused_without_quoting_it(extra: str) -> None:
    with pytest.raises(UrlRefused) as refused:
        base_url(extra)
    assert "S3cret" not in str(refused.value)


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("", id="nothing"),
        pytest.param("h.example", id="no scheme"),
        pytest.param("//h.example", id="no scheme, two slashes"),
        pytest.param("ftp://h.example", id="ftp"),
        pytest.param("file:///etc/passwd", id="file"),
        pytest.param("javascript:alert(1)", id="javascript"),
        pytest.param("ws://h.example", id="websocket"),
        pytest.param("https:h.example", id="no slashes"),
        pytest.param("https://", id="no host"),
        pytest.param("https://:8000", id="a port alone"),
        pytest.param("https://user@", id="a user alone"),
        pytest.param("https://h.example:0", id="port 0"),
        pytest.param("https://h.example:65536", id="port too large"),
        pytest.param("https://h.example:x", id="port that is no number"),
        pytest.param("https://[::1", id="open bracket"),
        pytest.param("https://[zz]/", id="no address in brackets"),
        pytest.param("https://h.example/a b", id="a space"),
        pytest.param("https://h.exa\tmple", id="a tab"),
        pytest.param("https://h.example/\r\nX: y", id="a line end"),
        pytest.param("https://h.example\\@evil.example", id="a backslash"),
        pytest.param("https://h.example/\x00", id="NUL"),
    ],
)
def test_what_is_no_http_url_is_refused(url: str) -> None:
    for parse in (base_url, shown_endpoint):
        with pytest.raises(UrlRefused):
            parse(url)


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://h.example/a", Origin("https", "h.example", 443)),
        ("http://h.example/a", Origin("http", "h.example", 80)),
        ("https://H.example:443", Origin("https", "h.example", 443)),
        ("https://h.example:8443", Origin("https", "h.example", 8443)),
        ("http://[::1]:80/", Origin("http", "::1", 80)),
    ],
)
def test_an_origin_is_scheme_host_and_port_with_its_default(url: str, origin: Origin) -> None:
    assert Origin.of(url) == origin


def test_origins_differ_by_scheme_host_and_port() -> None:
    urls = ["https://a.example", "http://a.example", "https://b.example", "https://a.example:444", "https://a.example."]
    assert len({Origin.of(url) for url in urls}) == len(urls)


userinfo = st.text(st.characters(categories=["L", "N"]), min_size=6, max_size=12)


@given(userinfo, userinfo, st.sampled_from(["", "/", "/v1", "/v1//"]))
@settings(max_examples=150, deadline=None)
def test_a_secret_in_a_service_url_is_never_shown(user: str, query: str, path: str) -> None:
    shown = shown_endpoint(f"https://{user}:{query}@h.example:8000{path}?{query}#{user}")
    assert shown == f"https://h.example:8000{path.rstrip('/')}"


@given(st.text(max_size=30) | st.text(max_size=20).map("http://".__add__))
@settings(max_examples=300, deadline=None)
def test_an_arbitrary_text_is_a_shown_url_or_refused_and_shown_twice_the_same(text: str) -> None:
    try:
        shown = shown_endpoint(text)
    except UrlRefused:
        return
    assert shown_endpoint(shown) == shown


@given(st.integers(0, 2**32 - 1), st.sampled_from(["{0}", "{0:#x}", "[::ffff:{1:x}:{2:x}]"]))
@settings(max_examples=150, deadline=None)
def test_an_ipv4_address_is_judged_the_same_in_every_spelling(number: int, form: str) -> None:
    dotted = ".".join(str(number >> shift & 255) for shift in (24, 16, 8, 0))
    spelt = bare(form.format(number, number >> 16, number & 0xFFFF))
    assert (is_loopback(spelt), is_link_local(spelt)) == (is_loopback(dotted), is_link_local(dotted))
    assert is_link_local(dotted) == dotted.startswith("169.254.")


@pytest.mark.parametrize(
    "url",
    [
        "http://engine.example.com/x",
        "https://10.0.0.8/x",
        "https://192.168.1.1:8443/x",
        "https://172.16.0.1/x",
        "https://127.0.0.1/x",
        "https://localhost/x",
        "https://a.localhost/x",
        "https://[::1]/x",
        "https://[fd00::1]/x",
        "https://[::ffff:10.0.0.8]/x",
        "https://[64:ff9b::a00:8]/x",
        "https://100.64.0.1/x",
        "https://0.0.0.0/x",
        "https://0x0a000008/x",
        "https://224.0.0.1/x",
        "https://169.254.169.254/x",
        "https://198.18.0.1/x",
    ],
)
def test_a_strangers_account_reaches_nothing_of_the_operators(url: str) -> None:
    with pytest.raises(UrlRefused):
        service_endpoint(url, control_plane=REMOTE, private_hosts=frozenset({"engine.internal"}))


@pytest.mark.parametrize("url", ["https://engine.example.com/x", "https://8.8.8.8/x", "http://engine.internal:8000/x"])
def test_public_engines_and_listed_ones_are_reached(url: str) -> None:
    assert service_endpoint(url, control_plane=REMOTE, private_hosts=frozenset({"engine.internal"})) == url
