"""The arguments of each command; the module of the command's name runs it."""

import argparse
from typing import Any, Final

from alaya_mcp import __version__
from alaya_mcp.cli.account_arguments import Add, add_login, add_logout, add_status
from alaya_mcp.cli.compare_arguments import add_compare, contradiction, with_prompts
from alaya_mcp.cli.host_arguments import add_install, add_uninstall
from alaya_mcp.cli.model_arguments import add_bench, add_list
from alaya_mcp.cli.parser import HOSTS, Parser

_DESCRIPTION: Final = """\
MCP server for language models deployed on Alaya NeW serverless inference.

Without a command it serves MCP on stdin and stdout; this is what a host (Claude Desktop, an IDE) starts.
It uses the key pair that `alayanew-mcp login` keeps, or ALAYA_ACCESS_KEY and ALAYA_SECRET_KEY of its environment,
the other ALAYA_* variables there, and aliases and profiles of its configuration file, if there is one."""

_LAST_PORT: Final = 65535
_MOST_DEPLOYMENTS: Final = 2_000
_LONGEST_SECONDS: Final = 3600.0


def parsed(arguments: list[str]) -> argparse.Namespace:
    """Return the arguments, with the command's name as `command`; exit if they are wrong."""
    top, commands = parsers()
    for parser in (top, *commands.values()):
        parser.given = arguments
    found, unknown = top.parse_known_args(arguments)
    command = commands.get(found.command, top)
    if found.command == "compare":
        unknown = with_prompts(found, unknown)
    command.refuse_unknown(unknown)
    if found.sandbox_fault and (not found.sandbox or found.command not in {"serve", "http"}):
        top.error("--fault needs --sandbox without a command, or the command sandbox")
    if wrong := _contradiction(found):
        command.error(wrong)
    if found.sandbox and found.command != "serve":
        if not hasattr(found, "over_sandbox"):
            top.error(f"{found.command} takes no --sandbox; chat, compare, install and the server do")
        found.over_sandbox = True
    return found


def _contradiction(found: argparse.Namespace) -> str | None:
    """Return why the options of a command do not go together, None if they do."""
    match found.command:
        case "doctor" if found.url is None and found.header:
            return "--header needs --url"
        case "doctor" if found.url is not None and found.host:
            return "--host and --url exclude each other"
        case "install" | "uninstall" if found.all and (found.host or found.project):
            return "--all excludes HOST and --project"
        case "install" | "uninstall" if found.project and not found.host:
            return "--project needs HOST"
        case "install" if found.url and not found.print:
            return "--url needs --print"
        case "install" if found.over_sandbox and found.env_keys:
            return "--sandbox and --env-keys exclude each other"
        case "install" if found.print and (found.all or found.project):
            return "--print excludes --all and --project"
        case "compare":
            return contradiction(found)
        case _:
            return None


def parsers() -> tuple[Parser, dict[str, Parser]]:
    """Return the parser of `alayanew-mcp`, and its commands' parsers by name."""
    top = Parser(prog="alayanew-mcp", description=_DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter)
    top.set_defaults(command="serve")
    top.add_argument("--version", action="version", version=f"alayanew-mcp {__version__}")
    top.add_argument(
        "--sandbox",
        action="store_true",
        help="serve an embedded sandbox instead of a real account; no keys needed",
    )
    top.add_argument(
        "--fault",
        dest="sandbox_fault",
        metavar="NAME",
        help="with --sandbox: make every deployment show this fault; `alayanew-mcp sandbox --faults` lists them",
    )
    commands = top.add_subparsers(title="commands", metavar="COMMAND")
    by_name: dict[str, Parser] = {}

    def add(name: str, **options: Any) -> argparse.ArgumentParser:  # noqa: ANN401 argparse's own
        by_name[name] = commands.add_parser(name, **options)
        return by_name[name]

    for command in (
        add_login,
        add_logout,
        add_status,
        _demo,
        _doctor,
        add_list,
        _chat,
        _compare,
        add_bench,
        _http,
        _token,
        add_install,
        add_uninstall,
        _sandbox,
    ):
        command(add)
    return top, by_name


def _demo(add: Add) -> None:
    demo = add(
        "demo",
        help="watch the server at work on the sandbox, without keys or a host",
        description="Start the real server as a subprocess over the sandbox, make a few calls and show the results.",
    )
    demo.set_defaults(command="demo")


def _doctor(add: Add) -> None:
    doctor = add(
        "doctor",
        help="find out why something does not work",
        description="Check the configuration, the network, the account, a deployment and the hosts' configuration "
        "files, one after the other. Nothing is changed and no secret is shown. "
        "Exit status: 0 no problem found, 1 a warning, 3 something is wrong.",
    )
    doctor.set_defaults(command="doctor")
    doctor.add_argument("service", nargs="?", metavar="SERVICE", help="a deployment's id, name or alias")
    doctor.add_argument("--model", metavar="NAME", help="the model to ask for a first token; the base model by default")
    doctor.add_argument("--no-chat", action="store_true", help="skip the one check that costs tokens")
    doctor.add_argument(
        "--host", type=str.casefold, choices=HOSTS, help="use the environment that this host's file sets"
    )
    doctor.add_argument("--url", metavar="URL", help="check the HTTP server at this address instead, as a host would")
    doctor.add_argument(
        "--header",
        action="append",
        metavar="NAME:VALUE",
        help="with --url: send this header; ${NAME} in it is a variable",
    )
    doctor.add_argument("--json", action="store_true", help="print one JSON object and nothing else")


def _chat(add: Add) -> None:
    chat = add(
        "chat",
        help="chat with a deployment in the terminal",
        description="Chat with a deployment in the terminal; /help lists the commands. In a pipe, each line is a "
        "question of its own, or one of /model, /system, /thinking, /clear and /quit; to send a message that begins "
        "with a slash, write two. Exit status: 0, or 1 if a line had no complete answer.",
    )
    chat.set_defaults(command="chat")
    chat.add_argument("service", nargs="?", metavar="SERVICE", help="a deployment's id, name or alias")
    chat.add_argument("--model", metavar="NAME", help="a served name or a LoRA adapter; the base model by default")
    chat.add_argument("--system", metavar="TEXT", help="the system message")
    chat.add_argument("--thinking", choices=("auto", "on", "off"), default="auto", help="whether the model thinks")
    chat.add_argument(
        "--timeout",
        type=_seconds,
        default=600.0,
        metavar="SECONDS",
        help="time limit of one answer: 1 to 3600, default 600",
    )
    chat.add_argument("--conversation", action="store_true", help="treat piped lines as one conversation")
    chat.add_argument("--json", action="store_true", help="print one JSON object per piped line and nothing else")
    chat.add_argument("--sandbox", dest="over_sandbox", action="store_true", help="chat with the embedded sandbox")


def _compare(add: Add) -> None:
    add_compare(add, _seconds)


def _http(add: Add) -> None:
    http = add(
        "http",
        help="serve MCP over HTTP, for a team",
        description="Serve MCP over Streamable HTTP at /mcp, for this machine or, behind a gateway, for a team. Each "
        "option is also a variable, ALAYA_HTTP_PORT for --port, and an entry of the table [http] in the configuration "
        "file.",
    )
    http.set_defaults(command="http")
    http.add_argument("--host", metavar="ADDRESS", help="the address to listen on, default 127.0.0.1")
    http.add_argument("--port", type=_port, metavar="N", help="the port, default 8000; 0 takes a free one")
    http.add_argument("--public-url", metavar="URL", help="the address that hosts use, if it is another")
    http.add_argument(
        "--mode",
        choices=("environment", "keys", "tokens", "oauth"),
        help="whose account a caller uses: this server's own (the default, on this machine only), the key pair in the "
        "request's headers, that of a token from `alayanew-mcp token add`, or the one assigned to a user of an "
        "authorization server",
    )
    http.add_argument("--oauth-issuer", metavar="URL", help="the authorization server, in the mode oauth")
    http.add_argument("--oauth-jwks-url", metavar="URL", help="where its keys are, if its metadata does not say")
    http.add_argument(
        "--oauth-algorithms", metavar="LIST", help="what its tokens are signed with, default RS256,ES256,EdDSA"
    )
    http.add_argument(
        "--oauth-groups-claim", metavar="NAME", help="the claim that lists a user's groups, default groups"
    )
    http.add_argument(
        "--allow-engine-host",
        action="append",
        metavar="HOST",
        help="an engine's host that may be at a private address or without TLS, in all modes but environment",
    )
    http.add_argument("--allow-origin", action="append", metavar="ORIGIN", help="an origin of web pages that may call")
    http.add_argument("--grace-seconds", metavar="N", help="how long it goes on after SIGTERM at most, default 60")
    http.add_argument("--metrics-port", metavar="N", help="a port on which Prometheus reads /metrics")
    http.add_argument("--metrics-host", metavar="ADDRESS", help="the address of that port, default 127.0.0.1")
    http.add_argument("--sandbox", dest="over_sandbox", action="store_true", help="serve the embedded sandbox")


def _token(add: Add) -> None:
    token = add(
        "token",
        help="make, list and remove tokens of the HTTP server",
        description="Tokens of the HTTP server's mode `tokens`: the holder of one uses the account of a profile.",
    )
    token.set_defaults(command="token")
    actions = token.add_subparsers(dest="action", metavar="ACTION")
    adding = actions.add_parser("add", help="make a token and print it, once")
    adding.add_argument("name", metavar="NAME", help="its holder")
    adding.add_argument("--profile", required=True, metavar="PROFILE", help="the profile whose account it may use")
    actions.add_parser("list", help="list the tokens' holders")
    actions.add_parser("remove", help="remove a token").add_argument("name", metavar="NAME", help="its holder")


def _sandbox(add: Add) -> None:
    sandbox = add(
        "sandbox",
        help="run the sandbox alone and print what to export",
        description="Run an emulator of Alaya's two planes on a loopback port, and print what to export to use it.",
    )
    sandbox.set_defaults(command="sandbox")
    sandbox.add_argument("--port", type=_port, default=0, help="loopback port; a free one by default")
    sandbox.add_argument(
        "--backend",
        metavar="URL",
        help="add a deployment that this OpenAI-compatible engine answers; its key, if it needs one, is read from "
        "SANDBOX_BACKEND_KEY",
    )
    sandbox.add_argument(
        "--fleet", type=_fleet, default=0, metavar="N", help="add N deployments, to list and to page through"
    )
    sandbox.add_argument(
        "--limits",
        action="store_true",
        help="list the messages with a special effect and what the sandbox cannot do",
    )
    sandbox.add_argument("--fault", metavar="NAME", help="make every deployment show this fault")
    sandbox.add_argument("--faults", action="store_true", help="list the faults")


def _whole_number(text: str, most: int) -> int | None:
    is_short = text.isascii() and text.isdigit() and len(text) <= len(str(most))
    return int(text) if is_short and int(text) <= most else None


def _port(text: str) -> int:
    if (port := _whole_number(text, _LAST_PORT)) is None:
        raise argparse.ArgumentTypeError(f"must be a number from 0 to {_LAST_PORT}; 0 takes a free one")
    return port


def _fleet(text: str) -> int:
    if (fleet := _whole_number(text, _MOST_DEPLOYMENTS)) is None:
        raise argparse.ArgumentTypeError(f"must be a number from 0 to {_MOST_DEPLOYMENTS}")
    return fleet


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0
    if not 1 <= seconds <= _LONGEST_SECONDS:
        raise argparse.ArgumentTypeError(f"must be a number from 1 to {_LONGEST_SECONDS:.0f}")
    return seconds
