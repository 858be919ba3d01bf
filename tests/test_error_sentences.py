"""Every cause has its words for every reader: about the thing that it is about, ending with one thing to do."""

import ast
import re
from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest

import alaya_mcp
from alaya_mcp import errors
from alaya_mcp.chat.remark import WORDS, CutKind, Kind, PlainKind, Remark, ToolKind
from alaya_mcp.error_causes import ArgumentCause, Cause, KeychainCause, UnexpectedCause
from alaya_mcp.error_sentences import SENTENCES, Row, what_happened
from alaya_mcp.errors import AlayaError, Setting
from alaya_mcp.serving.error_steps import ARGUMENTS, next_step
from alaya_mcp.serving.error_steps import STEPS as AGENTS_STEPS
from alaya_mcp.serving.errors import error_text, told
from alaya_mcp.serving.reply_warnings import warning
from alaya_mcp.terminal.error_steps import STEPS as PERSONS_STEPS
from alaya_mcp.terminal.error_steps import STEPS_IN_A_PIPE, STEPS_OF_ONE_LINE, error_lines
from alaya_mcp.terminal.facts import doubts

CAUSES: tuple[Cause, ...] = get_args(Cause)
ARGUMENT_CAUSES: frozenset[str] = frozenset(get_args(ArgumentCause))
CLASSES: list[type[AlayaError]] = [
    found
    for found in vars(errors).values()
    if isinstance(found, type) and issubclass(found, AlayaError) and found is not AlayaError
]

Facts = dict[str, object]

KEY = Setting("ALAYA_SECRET_KEY", "missing", "ALAYA_SECRET_KEY")
FILE: Facts = {"file": "/etc/alaya.toml"}
DEPLOYMENT: Facts = {"service_id": "svc-7"}
MODEL: Facts = {"service_id": "svc-7", "name": "support", "model": "my-lora"}
FACTS: dict[Cause, Facts] = {
    "key_missing": {"settings": (KEY,)},
    "key_unusable": {"settings": (Setting("ALAYA_ACCESS_KEY", "unusable", "ALAYA_ACCESS_KEY", "has a space in it"),)},
    "base_url_unusable": {"settings": (Setting("base_url of profile x", "unusable", "ALAYA_BASE_URL", "is no URL"),)},
    "setting_unusable": {"settings": (Setting("ALAYA_IDLE_SECONDS", "unusable", "ALAYA_IDLE_SECONDS", "must be"),)},
    "config_file_missing": FILE,
    "config_file_unreadable": FILE | {"detail": "Permission denied"},
    "config_file_too_large": FILE | {"limit": "1 MiB"},
    "config_file_not_utf8": FILE,
    "config_file_not_toml": FILE | {"detail": "line 3"},
    "config_entry_unusable": FILE | {"source": "profiles.x.url", "detail": "unknown entry"},
    "config_file_unwritable": FILE | {"detail": "it is read-only"},
    "config_file_changed": FILE,
    **{cause: {"source": "keychain entry x of profile work", "detail": "OSError"} for cause in get_args(KeychainCause)},
    "profile_unknown": FILE | {"source": "work"},
    "proxy_unusable": {"source": "HTTPS_PROXY"},
    "proxy_refused": {"proxy": "HTTPS_PROXY"},
    "arguments_unusable": {"detail": "top_p: must be at most 1", "known": ("prompt", "top_p")},
    "schema_unusable": {"detail": "it is no object"},
    "resource_reference_unusable": {"detail": "must be a name", "source": "alaya://deployments"},
    "resource_unknown": {"known": ("alaya://deployments",)},
    "reference_unusable": {"source": "SERVICE", "detail": "must be a name"},
    "name_ambiguous": {"service_id": "qwen", "known": ("qwen (a, running)", "qwen (b, failed)"), "count": 2},
    "key_pair_rejected": {"plane": "control", "http_status": 401, "source": "profile work of /etc/alaya.toml"},
    "name_unknown": {"service_id": "qwen", "known": ("qwen3 (a, running)",), "candidates": ("qwen3",), "near": "qwen3"},
    "deployment_not_named": {"known": ("qwen3 (a, running)",), "count": 1},
    "model_unknown": MODEL | {"candidates": ("my-lora-2",), "count": 1, "near": "my-lora-2"},
    "no_model_known": MODEL,
    "model_refused": MODEL | {"plane": "data", "http_status": 404},
    "adapter_refused": MODEL | {"plane": "data", "source": "my-lora", "ready": 2, "instances": 2},
    "adapter_partly_loaded": MODEL | {"plane": "data", "source": "my-lora", "ready": 1, "instances": 2},
    "queued_too_long": {"seconds": 50.0},
    "accounts_full": {"count": 1_000},
    "places_full": {"count": 16},
    "key_headers_missing": {"known": ("X-Alaya-Access-Key",)},
    "tokens_unusable": {"file": "/etc/tokens.json"},
    "rate_limited": {"plane": "data", "http_status": 429, **DEPLOYMENT},
    "list_denied": {"plane": "control", "http_status": 403, "service_id": ""},
    "list_missing": {"plane": "control", "http_status": 404, "service_id": ""},
    "deployment_denied": {"plane": "control", "http_status": 403},
    "deployment_starting": {"plane": "control"},
    "deployment_stopping": {"plane": "control"},
    "deployment_stopped": {"plane": "control"},
    "deployment_failed": {"plane": "control"},
    "no_instance": {"plane": "control"},
    "redirect": {"http_status": 302},
    "odd_status": {"http_status": 204},
    "model_loading": {"plane": "control", "instances": 2},
    "deployment_state_unknown": {"plane": "control", "detail": "'asleep'"},
    "wait_over_budget": {"asked": "60", "limit": "50"},
    "service_url_refused": {"plane": "control", "detail": "names no host", **DEPLOYMENT},
}
"""What each is about; where nothing is said here, the deployment svc-7 and its engine."""
ABOUT: dict[Cause, str] = {
    "key_missing": "ALAYA_SECRET_KEY",
    "key_unusable": "ALAYA_ACCESS_KEY",
    "base_url_unusable": "base_url of profile x",
    "setting_unusable": "ALAYA_IDLE_SECONDS",
    "home_missing": "no home folder",
    **dict.fromkeys(get_args(KeychainCause), "keychain entry x of profile work"),
    "profile_unknown": "'work'",
    "certificates_unusable": "SSL_CERT_FILE",
    "proxy_unusable": "HTTPS_PROXY",
    "proxy_refused": "HTTPS_PROXY",
    "reference_unusable": "SERVICE",
    "deployment_not_named": "qwen3 (a, running)",
    "deployment_none_running": "none is running",
    "name_ambiguous": "qwen",
    "key_pair_rejected": "profile work",
    "list_missing": "list of deployments",
    "list_denied": "the list of deployments",
    "name_unknown": '"qwen"',
    "model_unknown": 'support does not serve "my-lora"',
    "no_model_known": "support",
    "context_too_long": "the model's context",
    "queued_too_long": "ALAYA_MAX_CONCURRENCY",
    "accounts_full": "1000 accounts",
    "places_full": "16 chats",
    "server_stopping": "being stopped",
    "store_unavailable": "store of replies",
    "key_headers_missing": "without X-Alaya-Access-Key",
    "tokens_unusable": "file of tokens",
    "profile_unusable": "caller's account",
    "base_url_path_wrong": "ALAYA_BASE_URL",
    "arguments_unusable": "top_p",
    "cursor_unknown": "cursor",
    "cursor_of_other_filters": "cursor",
    "wait_over_budget": "wait_seconds",
    "prompt_missing": "prompt",
    "prompt_and_messages": "prompt",
    "system_given_twice": "system",
    "nothing_to_continue": "continue_reply",
    "tool_choice_unknown": "tool_choice",
    "tool_choice_without_tools": "tool_choice",
    "thinking_given_twice": "thinking",
    "schema_unusable": "response_schema",
    "read_on_with_question": "read_on",
    "read_on_unknown": "read_on",
    "background_unavailable": "background",
    "reply_not_kept": "read_on",
    "reply_elsewhere": "another server process",
    "resource_unknown": "resource",
    "resource_reference_unusable": "service_id",
    "bug": "this program",
}
"""What the words must name; where nothing is said here, the file or the deployment."""
TOOL_WORDS = re.compile(
    r"\b(?:timeout_seconds|wait_seconds|return_messages|continue_reply|read_on|response_schema|extra_body|service_id|"
    r"list_deployments|get_deployment|list_lora_models|chat_with_deployment|compare_models|tool_choice)\b"
    r"|env block|MCP host|have the host\b|pass .{0,40}\bas model\b|max_tokens|Trying again",
    re.IGNORECASE,
)
SHELL_WORDS = re.compile(r"`|\bexport\b|alayanew-mcp|/model\b|/clear\b|/retry\b|--timeout|--model\b|\bthis shell\b")
LOG_IN = "`alayanew-mcp login`"
"""The one command that an agent asks a person to run."""
VERBS = re.compile(
    r"(?:Answer|Ask|Begin|Call|Change|Check|Choose|Copy|Correct|Give|Have|If|Install|Leave|Look|Make|Name|Pass|Put|Read|Renew|Report|Run"
    r"|Say|Set|Shorten|Simplify|Start|Take|Then|Type|Unlock|Wait|Where)\b"
)
"""How the last sentence of an error begins."""


def example(cause: Cause) -> AlayaError:
    """An error of a cause."""
    (kind,) = (each for each in CLASSES if cause in each.causes)
    return kind(cause, **({"plane": "data", **DEPLOYMENT} | FACTS.get(cause, {})))  # type: ignore[arg-type] # of any kind


VARIANTS: list[Facts] = [
    {},
    {"plane": "control"},
    {"plane": "data", "words": "no such thing", "seconds": 20.0, "is_chosen": True},
    {"known": (), "candidates": ()},
    {"known": ("qwen3",), "candidates": ("qwen3",), "proxy": "ALL_PROXY"},
]
"""What else may be known: each row has words for all of it."""


def variants(cause: Cause) -> list[AlayaError]:
    """Errors of a cause of which more or less is known."""
    return [replace(example(cause), **more) for more in VARIANTS]  # type: ignore[arg-type] # of any kind


def test_each_cause_belongs_to_one_code_and_each_code_has_a_class() -> None:
    assert sorted(cause for kind in CLASSES for cause in kind.causes) == sorted(CAUSES)
    assert len({kind.code for kind in CLASSES}) == len(CLASSES)


def test_no_cause_lacks_words_for_a_reader() -> None:
    assert SENTENCES.keys() == set(CAUSES) - ARGUMENT_CAUSES
    assert ARGUMENTS.keys() == ARGUMENT_CAUSES
    assert AGENTS_STEPS.keys() == set(CAUSES)
    assert PERSONS_STEPS.keys() == set(CAUSES) - ARGUMENT_CAUSES


@pytest.mark.parametrize("cause", CAUSES)
def test_what_happened_names_what_it_is_about(cause: Cause) -> None:
    error = example(cause)
    text = told(error)

    assert ABOUT.get(cause, error.file or "svc-7") in text
    assert not re.search(r"\bNone\b(?! of)", text)
    assert text.endswith((".", '".', "?"))
    assert ".." not in text.replace("${...}", "")
    assert "  " not in text


@pytest.mark.parametrize("cause", CAUSES)
def test_an_agent_reads_of_arguments_and_tools_and_ends_with_one_thing_to_do(cause: Cause) -> None:
    for error in variants(cause):
        text = error_text(error)

        assert not SHELL_WORDS.search(text.replace(LOG_IN, ""))
        assert ("Trying again unchanged will not help." in text) is not error.retryable
        assert error.retryable or not re.search(r"(?:call|try|ask) again (?:in|later)", text, re.IGNORECASE)
        assert VERBS.match(last_sentence(text))
        assert text.endswith(".")
        assert not text.endswith("..")


@pytest.mark.parametrize("cause", CAUSES)
def test_a_guest_over_http_is_not_told_to_change_what_its_operator_sets(cause: Cause) -> None:
    for error in variants(cause):
        step = next_step(replace(error, is_guests=True))

        assert not re.search(r"ALAYA_[A-Z]|_PROXY|SSL_CERT|env block|restart this server|this machine|--sandbox", step)
        assert VERBS.match(last_sentence(step))


@pytest.mark.parametrize("steps", [PERSONS_STEPS, STEPS_IN_A_PIPE, STEPS_OF_ONE_LINE], ids=["terminal", "pipe", "line"])
@pytest.mark.parametrize("cause", [cause for cause in CAUSES if cause not in ARGUMENT_CAUSES])
def test_a_person_reads_of_commands_and_shell_lines_and_ends_with_one_thing_to_do(
    cause: Cause, steps: dict[Cause, Row]
) -> None:
    for error in variants(cause):
        text = error_lines(error, steps)

        assert not TOOL_WORDS.search(text)
        assert VERBS.match(last_sentence(text))
        assert text.endswith(".")
        assert not text.endswith("..")


def last_sentence(text: str) -> str:
    """The last sentence of a text, by full stops before capitals."""
    return re.split(r"(?<=[.?])\s+(?=[A-Z`])", text)[-1]


def test_upstreams_words_are_quoted_without_a_second_full_stop() -> None:
    error = errors.RequestRejected("request_refused", plane="data", service_id="svc-7", words="no such thing")

    assert what_happened(error) == 'The engine of svc-7 rejected the request. Upstream said: "no such thing".'


def test_an_alias_and_a_default_are_told_with_what_they_stand_for() -> None:
    error = errors.DeploymentNotFound("deployment_unknown", service_id="svc-7", alias="support", default="support")

    assert "support is an alias of it" in what_happened(error)
    assert "support is the default deployment" in error_text(error)
    assert error_text(error).endswith("Have the user correct the default deployment.")


def test_a_person_who_lacks_the_keys_is_told_to_log_in() -> None:
    access = Setting("ALAYA_ACCESS_KEY", "missing", "ALAYA_ACCESS_KEY")
    text = error_lines(errors.NotConfigured("key_missing", settings=(access, KEY)))

    assert text.startswith("ALAYA_ACCESS_KEY is not set; ALAYA_SECRET_KEY is not set.\n")
    assert text.endswith("Run `alayanew-mcp login`, which asks for the Open API Key from the Alaya NeW console.")


def test_half_a_pair_in_the_shell_is_completed_there_and_not_by_logging_in() -> None:
    text = error_lines(errors.NotConfigured("key_missing", settings=(KEY,)))

    assert text.endswith("Set it in this shell: `export ALAYA_SECRET_KEY=...`.")
    assert "login" not in error_text(errors.NotConfigured("key_missing", settings=(KEY,)))


def raised() -> list[tuple[str, str, str]]:
    """Each place where an error is made of a cause that stands there: file, class, cause."""
    names = {kind.__name__ for kind in CLASSES}
    found: list[tuple[str, str, str]] = []
    for path in Path(alaya_mcp.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in names):
                continue
            if node.args and isinstance(node.args[0], ast.Constant):
                found.append((path.name, node.func.id, str(node.args[0].value)))
    return found


def test_every_error_is_raised_with_a_cause_of_its_class() -> None:
    made = raised()

    assert len(made) > 40
    for where, name, cause in made:
        assert cause in getattr(errors, name).causes, f"{where}: {name}({cause!r})"


def test_a_step_names_no_command_that_has_no_effect_in_a_pipe() -> None:
    for cause in STEPS_IN_A_PIPE:
        for error in variants(cause):
            assert "/retry" not in error_lines(error, STEPS_IN_A_PIPE)
            assert not re.search(r"/model\b(?! NAME)", error_lines(error, STEPS_IN_A_PIPE))
            assert "/clear" not in error_lines(error, STEPS_OF_ONE_LINE)


KINDS: tuple[Kind, ...] = (*get_args(PlainKind), *get_args(CutKind), *get_args(ToolKind))
SAMPLE = {"name": "my-lora", "other": "base", "detail": "it is not JSON", "shown": 4, "whole": 9, "seconds": 45.0}


@pytest.mark.parametrize("kind", KINDS)
def test_each_remark_is_said_to_an_agent_in_whole_sentences(kind: Kind) -> None:
    told = warning(Remark(kind, **SAMPLE))  # type: ignore[arg-type] # of any kind

    assert told.endswith(".")
    assert ".." not in told
    assert not SHELL_WORDS.search(told)


def test_a_person_is_told_every_remark_that_is_about_no_tool_without_words_of_tools() -> None:
    assert WORDS.keys() == set(get_args(PlainKind))
    for kind in get_args(PlainKind):
        (doubt,) = doubts([Remark(kind, **SAMPLE)])  # type: ignore[arg-type] # of any kind
        assert not TOOL_WORDS.search(doubt)


@pytest.mark.parametrize("cause", get_args(UnexpectedCause))
def test_what_is_unexpected_is_no_matter_of_trying_again(cause: Cause) -> None:
    assert not example(cause).retryable


def test_nobody_reads_the_chain_of_an_exception_but_where_the_http_library_has_hidden_the_cause() -> None:
    readers = {
        path.name
        for path in Path(alaya_mcp.__file__).parent.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and node.attr in {"__context__", "__cause__"}
    }

    assert readers == {"failures.py"}
