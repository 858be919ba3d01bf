"""The command line as a person uses it: real output, of real processes where more is asked than how a line is read."""

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, redirect_stderr
from io import StringIO
from subprocess import PIPE

import anyio
import httpx2
import pytest

from alaya_mcp import __version__
from alaya_mcp.cli.arguments import parsed
from alaya_mcp.errors import NotConfigured
from alaya_mcp.origins import Origin
from alaya_mcp.sandbox import CATALOGUE, FAULTS, Sandbox
from alaya_mcp.upstream.routes import Routes
from tests import warm_start
from tests.calls import CHAT, COMPARE, call, content_of
from tests.patience import PATIENCE
from tests.stdio_host import host, own_environ, warm_host
from tests.upstream import Exchange, Request, Upstream, replies


def run(*arguments: str, encoding: str = "utf-8", **environ: str) -> subprocess.CompletedProcess[bytes]:
    """One command to its end."""
    command = [sys.executable, "-m", "alaya_mcp", *arguments]
    variables = own_environ(**{"PYTHONIOENCODING": encoding, **environ})
    return subprocess.run(command, capture_output=True, timeout=PATIENCE, env=variables, check=False)  # noqa: S603 our own command


def run_warm(*arguments: str, **environ: str) -> subprocess.CompletedProcess[bytes]:
    """The same, loaded already where that is possible."""
    variables = own_environ(**{"PYTHONIOENCODING": "utf-8", **environ})
    return warm_start.run(arguments, variables) if warm_start.IS_POSSIBLE else run(*arguments, **environ)


@asynccontextmanager
async def running(*arguments: str, **environ: str) -> AsyncGenerator[str]:
    """A command that goes on until it is ended here, and what it said first."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("ALAYA_")}
    command = [sys.executable, "-m", "alaya_mcp", *arguments]
    with anyio.fail_after(PATIENCE):
        process = await anyio.open_process(command, stdout=PIPE, env={**inherited, **environ})
        async with process:
            assert process.stdout is not None
            said = b""
            while CATALOGUE[-1][0].encode() not in said:
                said += await process.stdout.receive()
            yield said.decode()
            process.terminate()


def refusal_of(*arguments: str) -> str:
    """What is said of a command line that is refused before any command is loaded."""
    said = StringIO()
    with redirect_stderr(said), pytest.raises(SystemExit) as left:
        parsed([*arguments])
    assert left.value.code == 2
    return said.getvalue()


def test_version_and_help_are_told() -> None:
    helped = run("--help").stdout.decode()

    assert run("--version").stdout.decode().strip() == f"alayanew-mcp {__version__}"
    assert all(word in helped for word in ("--sandbox", "demo", "sandbox"))


def test_a_wrong_command_line_is_refused_with_status_2_and_nothing_on_stdout() -> None:
    wrong = run("--nonsense")

    assert (wrong.returncode, wrong.stdout) == (2, b"")
    assert b"usage: alayanew-mcp" in wrong.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["sandbox", "--port", "99999"],
        ["--sandbox", "demo"],
        ["--fault", "hang"],
        ["--fault", "hang", "sandbox"],
    ],
)
def test_other_wrong_command_lines_are_refused_too(arguments: list[str]) -> None:
    assert "usage: alayanew-mcp" in refusal_of(*arguments)


def test_the_demo_shows_what_there_is_on_a_console_of_another_encoding() -> None:
    shown = run("demo", encoding="cp936", ALAYA_ACCESS_KEY="a-real-key", ALAYA_SECRET_KEY="another")
    text = shown.stdout.decode("utf-8")

    assert shown.returncode == 0, shown.stderr.decode()
    assert shown.stderr == b""
    assert all(f"> {tool} " in text for tool in ("get_deployment", "list_lora_models", CHAT, COMPARE))
    assert "qwen3-support is a vLLM deployment" in text
    assert "- support-zh: model=support-zh" in text
    assert all(int(pieces) > 2 for pieces in re.findall(r"came in (\d+) pieces", text))
    assert len(re.findall(r"came in \d+ pieces", text)) == 6
    assert "truncated: still_generating" in text
    assert '> chat_with_deployment {"read_on": "alaya://replies/' in text
    assert re.search(r"^starting", text, re.MULTILINE)
    assert "\nthinking, to the end:\n" in text
    assert "parsed: the reply above follows response_schema" in text
    assert '"chats_aborted": 1, "chats_active": 0' in text
    assert "您好" in text
    assert "model_not_served: " in text
    assert "run `alayanew-mcp login`" in text
    assert '"ALAYA_SERVICE_ID": "your deployment' in text
    assert "\x1b[" not in text
    assert "a-real-key" not in text


@pytest.mark.anyio
async def test_the_sandbox_command_prints_what_to_export_and_serves_it() -> None:
    async with running("sandbox") as said:
        exports = dict(re.findall(r"^export (\w+)=(\S+)$", said, re.MULTILINE))
        async with host(**exports) as server:
            await server.initialize()
            await server.call(1, "get_deployment")
            answer = await server.answer(1)

    assert set(exports) == {"ALAYA_BASE_URL", "ALAYA_ACCESS_KEY", "ALAYA_SECRET_KEY", "ALAYA_SERVICE_ID"}
    assert answer["result"]["structuredContent"]["ready"] is True
    assert all(service_id in said for service_id, _ in CATALOGUE)


def test_the_sandbox_says_what_it_does_not_do() -> None:
    limits = run_warm("sandbox", "--limits").stdout.decode()

    assert "No language model runs in it" in limits
    assert "sandbox: repeat N WORD" in limits


def test_the_sandbox_lists_its_faults() -> None:
    listed = run("sandbox", "--faults").stdout.decode()

    assert all(re.search(rf"^{name} +{re.escape(summary)}$", listed, re.MULTILINE) for name, summary in FAULTS)


@pytest.mark.skipif(os.name == "nt", reason="pipes there have no such end")
@pytest.mark.parametrize("arguments", [["sandbox", "--faults"], ["demo"]])
def test_a_reader_that_has_seen_enough_ends_it_without_a_traceback(arguments: list[str]) -> None:
    command = [sys.executable, "-m", "alaya_mcp", *arguments]
    with subprocess.Popen(command, stdout=PIPE, stderr=PIPE, env=own_environ()) as process:  # noqa: S603 our own command
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(PATIENCE) in {0, 1}


@pytest.mark.skipif(os.name == "nt", reason="there is no such signal")
def test_a_console_does_not_let_a_peer_that_leaves_end_the_program() -> None:
    script = (
        "import socket\nfrom alaya_mcp.terminal.console import open_console\nopen_console()\n"
        "one, other = socket.socketpair()\nother.close()\n"
        "try:\n    one.send(b'x')\nexcept BrokenPipeError:\n    print('lives')"
    )
    lives = subprocess.run([sys.executable, "-c", script], capture_output=True, timeout=PATIENCE, check=False)  # noqa: S603 our own words

    assert (lives.returncode, lives.stdout.strip()) == (0, b"lives")


@pytest.mark.parametrize("arguments", [["sandbox"], ["--sandbox"]])
def test_an_unknown_fault_is_told_with_near_names(arguments: list[str]) -> None:
    wrong = run_warm(*arguments, "--fault", "rate-limit")

    assert (wrong.returncode, wrong.stdout) == (2, b"")
    assert wrong.stderr.decode().count("\n") == 1
    assert "no fault 'rate-limit'. Did you mean rate-limited?" in wrong.stderr.decode()


@pytest.mark.parametrize("arguments", [["sandbox"], ["--sandbox"]])
def test_a_fault_that_is_like_none_is_refused_with_where_they_are_listed(arguments: list[str]) -> None:
    wrong = run_warm(*arguments, "--fault", "nonsense")

    assert (wrong.returncode, wrong.stdout) == (2, b"")
    said = f"alayanew-mcp {arguments[0]}: there is no fault 'nonsense'. `alayanew-mcp sandbox --faults` lists them."
    assert wrong.stderr.decode().splitlines() == [said]


def test_a_backend_that_is_not_a_url_is_a_wrong_argument() -> None:
    wrong = run_warm("sandbox", "--backend", "nonsense")

    assert (wrong.returncode, wrong.stdout) == (2, b"")
    assert wrong.stderr.decode().splitlines() == ["alayanew-mcp sandbox: the backend must be an http or https URL"]


@pytest.mark.anyio
async def test_the_sandbox_command_shows_a_fault_everywhere() -> None:
    async with running("sandbox", "--fault", "control-403") as said, httpx2.AsyncClient(trust_env=False) as http:
        exports = dict(re.findall(r"^export (\w+)=(\S+)$", said, re.MULTILINE))
        key = f"plain Credential={exports['ALAYA_ACCESS_KEY']},Signature={exports['ALAYA_SECRET_KEY']}"
        answer = await http.get(f"{exports['ALAYA_BASE_URL']}/deployment/any", headers={"Authorization": key})

    assert answer.status_code == 403


@pytest.mark.anyio
async def test_the_embedded_sandbox_shows_a_fault_everywhere() -> None:
    async with warm_host("--sandbox", "--fault", "control-403") as server:
        await server.initialize()
        await server.call(1, "get_deployment")
        answer = await server.answer(1)

    assert answer["result"]["_meta"]["com.alayanew.mcp/error"]["http_status"] == 403


@pytest.mark.anyio
async def test_a_port_that_is_taken_is_told_in_one_line() -> None:
    async with Sandbox() as sandbox:
        port = httpx2.URL(sandbox.base_url).port
        taken = await anyio.to_thread.run_sync(run, "sandbox", "--port", str(port))

    assert taken.returncode == 1
    assert taken.stderr.decode().count("\n") == 1
    assert "cannot listen on" in taken.stderr.decode()


@pytest.mark.anyio
async def test_a_backend_answers_for_a_deployment_of_its_own() -> None:
    async def models(_: Request, exchange: Exchange) -> None:
        await exchange.answer_json(200, {"data": [{"id": "my-model", "owned_by": "vllm"}]})

    async with (
        Upstream(chat=replies("from ", "the backend", model="my-model"), models=models) as engine,
        running("sandbox", "--backend", f"{engine.url}/v1", SANDBOX_BACKEND_KEY="backend-key") as said,
    ):
        exports = dict(re.findall(r"^export (\w+)=(\S+)$", said, re.MULTILINE))
        async with warm_host(**exports) as server:
            await server.initialize()
            await server.call(1, CHAT, prompt="hi")
            answer = await server.answer(1)

        assert engine.chats[0].headers["authorization"] == "Bearer backend-key"
    assert answer["result"]["structuredContent"]["content"] == "from the backend"
    assert answer["result"]["structuredContent"]["model"] == "my-model"


@pytest.mark.anyio
async def test_the_sandbox_flag_leaves_a_real_account_aside() -> None:
    async with Upstream() as account, warm_host("--sandbox", **account.environ) as server:
        answered = await server.initialize()
        await server.call(1, "get_deployment")
        await server.call(2, "get_deployment", service_id="no-such-deployment")
        default, unknown = await server.answer(1), await server.answer(2)

        assert account.requests == []
    assert default["result"]["structuredContent"]["service_id"] == CATALOGUE[0][0]
    for service_id, _ in CATALOGUE:
        assert service_id in answered["result"]["instructions"]
    assert unknown["result"]["_meta"]["com.alayanew.mcp/error"]["candidates"]


@pytest.mark.anyio
async def test_settings_that_are_not_about_the_account_hold_in_the_sandbox_too() -> None:
    async with warm_host("--sandbox", ALAYA_TIMEOUT_SECONDS="soon") as server:
        await server.initialize()
        await server.call(1, "get_deployment")
        answer = await server.answer(1)

    assert "ALAYA_TIMEOUT_SECONDS" in answer["result"]["content"][0]["text"]


@pytest.mark.anyio
async def test_what_is_not_configured_stands_in_the_log_before_any_call_without_its_value() -> None:
    async with warm_host(ALAYA_ACCESS_KEY="two words", ALAYA_SECRET_KEY="sk", ALAYA_LOG_LEVEL="LOUD") as server:
        await server.initialize()
        await server.leave()

    assert b"ALAYA_ACCESS_KEY has a space" in server.raw
    assert b"ALAYA_LOG_LEVEL" in server.raw
    assert b"two words" not in server.raw


@pytest.mark.anyio
async def test_a_proxy_that_cannot_be_used_is_not_configured() -> None:
    environ = {"ALAYA_ACCESS_KEY": "a", "ALAYA_SECRET_KEY": "b", "ALL_PROXY": "nonsense://proxy.invalid"}
    async with warm_host(**environ) as server:
        await server.initialize()
        await server.call(1, "get_deployment", service_id="x")
        answer = await server.answer(1)

    assert answer["result"]["_meta"]["com.alayanew.mcp/error"]["code"] == "not_configured"
    assert "ALL_PROXY" in answer["result"]["content"][0]["text"]


@pytest.mark.anyio
async def test_certificates_that_cannot_be_read_are_not_configured_and_tell_nothing_before_a_call() -> None:
    environ = {"ALAYA_ACCESS_KEY": "a", "ALAYA_SECRET_KEY": "b", "SSL_CERT_FILE": "none.pem"}
    async with warm_host(**environ, ALAYA_BASE_URL="https://nowhere.invalid") as server:
        await server.initialize()
        await server.call(1, "get_deployment", service_id="x")
        answer = await server.answer(1)
        await server.leave()

    assert answer["result"]["_meta"]["com.alayanew.mcp/error"]["code"] == "not_configured"
    assert "SSL_CERT_FILE" in answer["result"]["content"][0]["text"]
    assert b"Traceback" not in server.raw


def test_a_client_made_before_it_is_needed_tells_no_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "none.pem")
    problems: list[object] = []

    async def warm() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: problems.append(context))
        async with Routes() as routes:
            routes.warm_up(Origin("https", "nowhere.invalid", 443), seconds=0)
            await anyio.wait_all_tasks_blocked()
            with pytest.raises(NotConfigured):
                routes.to(Origin("https", "nowhere.invalid", 443), "control")

    anyio.run(warm)
    assert not problems


@pytest.mark.anyio
@pytest.mark.parametrize("proxy", ["http://proxy.invalid:1", "socks5://proxy.invalid:1", "nonsense://proxy.invalid"])
@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "127.1", "2130706433"])
async def test_loopback_never_goes_through_a_proxy(proxy: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", proxy)
    monkeypatch.setenv("HTTP_PROXY", proxy)
    async with Upstream(chat=replies("direct")) as upstream:
        base = upstream.environ["ALAYA_BASE_URL"].replace("127.0.0.1", name)
        result = await call(upstream.settings(ALAYA_BASE_URL=base), CHAT, prompt="x")

    assert content_of(result)["content"] == "direct"


@pytest.mark.anyio
async def test_an_http_proxy_is_used_for_other_hosts() -> None:
    async def forwards(request: Request, exchange: Exchange) -> None:
        assert request.path.startswith("http://engine.invalid/serve/v1/chat")
        await replies("through the proxy")(request, exchange)

    async with (
        Upstream(chat=forwards, deployment={"serviceUrl": "http://engine.invalid/serve"}) as upstream,
        warm_host(**upstream.environ, HTTP_PROXY=upstream.url) as server,
    ):
        await server.initialize()
        await server.call(1, CHAT, prompt="x")
        answer = await server.answer(1)

    content = answer["result"]["structuredContent"]
    assert content["content"] == "through the proxy"
    assert any("plain http" in warning for warning in content["warnings"])


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [
        (["docter"], "doctor"),
        (["chatt"], "chat"),
        (["install", "cursr"], "cursor"),
        (["install", "CLAUDE-DESKTP"], "claude-desktop"),
        (["uninstall", "vs-code"], "vscode"),
        (["chat", "--modle", "x"], "--model"),
        (["chat", "--thinking", "of"], "off"),
        (["doctor", "--jsno"], "--json"),
        (["--sandbx"], "--sandbox"),
        (["sandbox", "--fleat=3"], "--fleet"),
    ],
)
def test_a_slip_of_the_pen_is_told_what_may_have_been_meant(arguments: list[str], meant: str) -> None:
    assert refusal_of(*arguments).rstrip().endswith(f"did you mean {meant}?")


@pytest.mark.parametrize(
    ("arguments", "option"),
    [
        (["install", "--nmae", "mine", "cursor"], "--nmae"),
        (["install", "--nmae", "Mine", "cursor"], "--nmae"),
        (["uninstall", "--projct", ".", "cursor"], "--projct"),
        (["--falt", "hang"], "--falt"),
        (["chat", "--modle", "x", "y"], "--modle"),
    ],
)
def test_a_misspelt_option_is_named_rather_than_its_value(arguments: list[str], option: str) -> None:
    wrong = run_warm(*arguments)

    assert wrong.returncode == 2
    assert f"unrecognized arguments: {option}; did you mean --" in wrong.stderr.decode()


@pytest.mark.parametrize("host", ["windsurf", "Zed"])
def test_a_host_that_install_does_not_know_is_not_guessed_and_has_a_way(host: str) -> None:
    wrong = refusal_of("install", host)

    assert "did you mean" not in wrong
    assert wrong.rstrip().endswith("; `alayanew-mcp install --print` shows what any other host needs")


def test_a_host_is_known_in_any_case() -> None:
    done = run("install", "Cursor", "--sandbox", "--dry-run")

    assert (done.returncode, done.stderr) == (0, b"")
    assert "A dry run" in done.stdout.decode()


@pytest.mark.parametrize("arguments", [["xyzzy"], ["chat", "--xyzzy"], ["install", "emacs"]])
def test_what_is_like_nothing_is_refused_without_a_guess(arguments: list[str]) -> None:
    assert "did you mean" not in refusal_of(*arguments)


def test_the_sandbox_before_a_command_that_takes_it_means_that_command() -> None:
    chat = [sys.executable, "-m", "alaya_mcp", "--sandbox", "chat"]
    done = subprocess.run(  # noqa: S603 our own command
        chat, input=b"sandbox: say hello\n", capture_output=True, timeout=PATIENCE, env=own_environ(), check=False
    )

    assert (done.returncode, done.stdout) == (0, b"hello\n")


@pytest.mark.parametrize("command", ["demo", "doctor", "sandbox"])
def test_the_sandbox_before_a_command_that_does_not_take_it_is_told_so(command: str) -> None:
    assert f"{command} takes no --sandbox" in refusal_of("--sandbox", command)
