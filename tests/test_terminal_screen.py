"""What reaches the terminal, and what does not."""

import pytest
from rich.console import Console

from alaya_mcp.error_causes import SettingProblem
from alaya_mcp.errors import DeploymentNotReady, NotConfigured, RateLimited, Setting, UpstreamUnavailable
from alaya_mcp.terminal.error_steps import doctor_step, error_lines
from alaya_mcp.terminal.screen import Screen, without_controls
from tests.terminal_paper import Paper, screen_on

ERASED = "\r\x1b[2K"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain\ttext\n", "plain\ttext\n"),
        ("\x1b[2J\x1b]0;title\x07", "␛[2J␛]0;title␇"),
        ("a\x00\x08\x7fb", "a␀␈␡b"),
        ("\x9b31m", "\ufffd31m"),
        ("over\rwrite\r\n", "overwrite\n"),
        ("a\u202eb\u2066c", "a\ufffdb\ufffdc"),
        ("你好 👋🏽 e\u0301", "你好 👋🏽 e\u0301"),
    ],
)
def test_control_characters_are_shown_and_not_obeyed(text: str, shown: str) -> None:
    paper = Paper()
    screen_on(paper).write(text)

    assert without_controls(text) == shown
    assert paper.getvalue() == shown


def test_an_answer_is_shown_as_it_is_whatever_it_looks_like() -> None:
    paper = Paper()
    screen = screen_on(paper)
    text = "[red]x[/red] :smile: " + "word " * 60

    for piece in (text[:9], text[9:30], text[30:]):
        screen.write(piece)
    screen.end()
    screen.end()

    assert paper.getvalue() == f"{text}\n"


def test_our_own_lines_hold_what_upstream_said_as_it_is() -> None:
    paper = Paper()

    screen_on(paper).say("[bold]a[/bold] :smile: \x1b[1m", "red")

    assert paper.getvalue() == "[bold]a[/bold] :smile: ␛[1m\n"


def test_a_status_is_one_line_that_gives_way() -> None:
    paper = Paper()
    console = Console(file=paper, width=20, force_terminal=True, color_system=None, legacy_windows=False)
    screen = Screen(console, console)

    screen.status("looking it up")
    screen.status("looking it up")
    screen.status("您的部署正在启动吗请您稍候")
    screen.write("Yes")
    screen.status("never within a line")
    screen.end()

    assert paper.getvalue() == f"looking it up{ERASED}您的部署正在启动吗 {ERASED}Yes\n"


def test_where_lines_cannot_be_wiped_each_state_is_one_line() -> None:
    answers, beside = Paper(), Paper()
    screen = screen_on(answers, beside)

    screen.status("starting")
    screen.status("starting")
    screen.status("starting, 4 s")
    screen.status("starting, 8 s, 0 of 2 instances ready")
    screen.status("loading its model, 9 s, 0 of 2 instances ready")
    screen.status("loading its model, 13 s, 1 of 2 instances ready")
    screen.write("Yes")
    screen.fact("1 token")

    assert answers.getvalue() == "Yes\n"
    assert beside.getvalue() == "starting\nloading its model, 9 s, 0 of 2 instances ready\n1 token\n"


def test_an_error_says_what_happened_and_what_to_do() -> None:
    error = DeploymentNotReady("deployment_stopped", service_id="svc-1")
    assert error_lines(error) == (
        "Deployment svc-1 is stopped; nothing was sent to it.\nStart it in the Alaya NeW console, then ask again."
    )


def test_the_doctors_deployment_is_quoted_for_the_shell() -> None:
    paper = Paper()
    screen = screen_on(paper)
    screen.doctor = doctor_step("it's mine")
    screen.fail(UpstreamUnavailable("dns_failed", plane="data"))

    assert "\nRun `alayanew-mcp doctor 'it'\"'\"'s mine'` to find the step that fails.\n" in paper.getvalue()


def test_a_wait_that_upstream_asks_for_is_told() -> None:
    assert error_lines(RateLimited("rate_limited", plane="data", retry_after=7.4)).endswith("\nAsk again in 8 s.")


@pytest.mark.parametrize(
    ("sources", "problem", "step"),
    [
        (["ALAYA_TIMEOUT_SECONDS"], "unusable", "Correct it, or unset it: `unset ALAYA_TIMEOUT_SECONDS`."),
        (
            ["ALAYA_TIMEOUT_SECONDS", "ALAYA_BASE_URL"],
            "unusable",
            "Correct them, or unset them: `unset ALAYA_TIMEOUT_SECONDS ALAYA_BASE_URL`.",
        ),
        (["ALAYA_BASE_URL"], "missing", "Set it in this shell: `export ALAYA_BASE_URL=...`."),
        (["secret_key of profile work of f.toml"], "missing", "Add secret_key to profile work of f.toml."),
        (["MINE (named by secret_key_env of profile)"], "missing", "Set MINE (named by secret_key_env of profile)."),
        (["service_id of profile work"], "unusable", "Correct service_id of profile work."),
    ],
)
def test_a_setting_that_lacks_a_value_is_set_or_added_and_a_wrong_one_is_corrected(
    sources: list[str], problem: SettingProblem, step: str
) -> None:
    settings = tuple(
        Setting(source, problem, source if source.startswith("ALAYA_") else "ALAYA_SECRET_KEY", "must be a number")
        for source in sources
    )

    assert error_lines(NotConfigured("setting_unusable", settings=settings)).splitlines()[1] == step
