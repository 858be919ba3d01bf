"""What a launch command tells, and what it never does."""

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from alaya_mcp.deployment.launch import SHOWN_WITH_VALUE, program, shown_flags, shown_image
from alaya_mcp.deployment.model_names import engine_in, engine_of

ALLOWED = [
    *("model", "model-path", "served-model-name", "dtype", "quantization", "host", "port", "seed", "nnodes"),
    *("tensor-parallel-size", "pipeline-parallel-size", "data-parallel-size", "tp", "tp-size", "dp-size"),
    *("max-model-len", "context-length", "max-num-seqs", "max-num-batched-tokens", "max-loras", "max-lora-rank"),
    *("gpu-memory-utilization", "mem-fraction-static", "kv-cache-dtype", "max-cpu-loras", "tool-call-parser"),
    "reasoning-parser",
]


@pytest.mark.parametrize("flag", ALLOWED)
def test_a_harmless_flag_is_shown_with_its_value(flag: str) -> None:
    assert shown_flags([f"--{flag}", "v1"]) == [f"--{flag}=v1"]
    assert shown_flags([f"--{flag}=v1"]) == [f"--{flag}=v1"]
    assert shown_flags(["bash", "-c", f"vllm serve m --{flag} v1 --other x"]) == [f"--{flag}=v1", "--other"]


def test_the_harmless_flags_are_the_contracts() -> None:
    assert sorted(ALLOWED) == sorted(SHOWN_WITH_VALUE)


@pytest.mark.parametrize(
    ("args", "flags"),
    [
        pytest.param([], [], id="nothing"),
        pytest.param(["vllm", "serve", "m"], [], id="no flags"),
        pytest.param(
            ["--chat-template", "x", "--download-dir=/a"], ["--chat-template", "--download-dir"], id="others: name"
        ),
        pytest.param(["--enable-lora", "--port", "80"], ["--enable-lora", "--port=80"], id="a flag without a value"),
        pytest.param(["--model", "--port", "80"], ["--model", "--port=80"], id="a value that is missing"),
        pytest.param(["--port"], ["--port"], id="a value missing at the end"),
        pytest.param(["--port=80", "--port=80"], ["--port=80"], id="each once"),
        pytest.param(["--port=80", "--port=81"], ["--port=80", "--port=81"], id="two values"),
        pytest.param(["--tensor_parallel_size=2"], ["--tensor_parallel_size=2"], id="underscores"),
        pytest.param(["-tp", "2", "-c", "x"], [], id="short flags are not listed"),
        pytest.param(["--model", "a b"], ["--model"], id="a value with a space"),
        pytest.param(["--model=https://u:p@host/m"], ["--model"], id="a value with userinfo"),
        pytest.param(["--model", "https://host/m?token=abc"], ["--model"], id="a value with a query"),
        pytest.param(["--model", "$MODEL"], ["--model"], id="a variable"),
        pytest.param(["--port", "80;"], ["--port"], id="a value with a shell sign"),
        pytest.param(["--seed", "-1"], ["--seed=-1"], id="a negative number"),
        pytest.param(["--host", "10.0.0.1"], ["--host=10.0.0.1"], id="an address"),
        pytest.param(["--model\n", "/models/m\n"], ["--model=/models/m"], id="line ends"),
        pytest.param(["--", "---", "--1", "--\u00fc"], [], id="no flags at all"),
        pytest.param(["vllm serve m --port 80 --seed '7'"], ["--port=80", "--seed=7"], id="a shell line"),
        pytest.param(["vllm serve m --port 80 --x 'unbalanced"], ["--port=80", "--x"], id="an unbalanced quote"),
        pytest.param(["vllm serve m \\\n  --port 80 \\\n  --seed 7"], ["--port=80", "--seed=7"], id="continued lines"),
        pytest.param(
            ["vllm serve m \\\n--port 80 \\\n--seed 7"], ["--port=80", "--seed=7"], id="continued, not indented"
        ),
        pytest.param(
            ["--api-key", "--looks-like-a-flag", "--port=80"], ["--api-key", "--port=80"], id="a key like a flag"
        ),
        pytest.param(
            ["--enable-prompt-tokens-details", "--port", "80"],
            ["--enable-prompt-tokens-details", "--port=80"],
            id="tokens that are counted are no secret",
        ),
        pytest.param(
            ["--skip-tokenizer-init", "--tp-size=2"], ["--skip-tokenizer-init", "--tp-size=2"], id="a tokenizer"
        ),
    ],
)
def test_flags_are_shown_in_order(args: list[str], flags: list[str]) -> None:
    assert shown_flags(args) == flags


@pytest.mark.parametrize("flag", ["passphrase", "pwd", "authorization", "bearer", "secret-id", "sk", "api-key-value"])
def test_what_follows_a_secret_flag_is_its_value_whatever_it_looks_like(flag: str) -> None:
    assert shown_flags([f"--{flag}", "--port=planted", "--seed=1"]) == [f"--{flag}", "--seed=1"]


def test_flags_of_cmd_and_args_are_shown_each_once() -> None:
    assert shown_flags(["vllm", "serve", "m", "--port=80"], ["--port", "80", "--seed=1"]) == ["--port=80", "--seed=1"]


def test_a_flag_at_the_end_of_cmd_does_not_swallow_the_first_of_args() -> None:
    assert shown_flags(["vllm", "--api-key"], ["--port=80"]) == ["--api-key", "--port=80"]


@pytest.mark.parametrize(
    ("cmd", "shown"),
    [
        pytest.param(["vllm", "serve", "m"], "vllm", id="first word"),
        pytest.param(["/usr/bin/python3", "-m", "vllm"], "/usr/bin/python3", id="a path"),
        pytest.param(["bash", "-c", "vllm serve m"], "bash", id="a shell"),
        pytest.param(["vllm serve m --port 80"], "vllm", id="a shell line"),
        pytest.param(["A=1 B='x y' vllm serve"], None, id="environment before it"),
        pytest.param(["A=1", "vllm"], None, id="environment as a word"),
        pytest.param(["vllm \\\n  serve"], "vllm", id="continued line"),
        pytest.param([], None, id="nothing"),
        pytest.param([""], None, id="empty"),
        pytest.param(["A=1"], None, id="environment alone"),
        pytest.param(["$(which vllm)"], None, id="a substitution"),
        pytest.param(["x" * 300], None, id="too long for a name"),
    ],
)
def test_the_program_is_the_first_word_where_that_is_a_plain_name(cmd: list[str], shown: str | None) -> None:
    assert program(cmd) == shown


SECRET = "Zq7SecretValue"


@pytest.mark.parametrize(
    "command",
    [
        pytest.param([f"HF_TOKEN={SECRET}", "vllm"], id="assignment"),
        pytest.param([f"HF_TOKEN=first {SECRET} last", "vllm"], id="assignment word with spaces"),
        pytest.param([f"HF_TOKEN='first {SECRET} last' vllm serve"], id="quoted assignment"),
        pytest.param([f'HF_TOKEN="first {SECRET} last" vllm serve it\'s'], id="quoted assignment, stray quote later"),
        pytest.param([f"HF_TOKEN=$(echo {SECRET} | base64 -d) vllm serve"], id="substitution in an assignment"),
        pytest.param([f"HF_TOKEN=`echo {SECRET} | base64 -d` vllm serve"], id="backticks in an assignment"),
        pytest.param([f"export HF_TOKEN={SECRET} && vllm serve"], id="export"),
        pytest.param(["env", f"HF_TOKEN={SECRET}", "vllm"], id="env"),
        pytest.param(["bash", "-c", f"HF_TOKEN={SECRET} vllm serve --port 80"], id="inside a shell's line"),
        pytest.param(["--api-key", SECRET, "--port", "80"], id="the next word"),
        pytest.param([f"--api-key={SECRET}"], id="inline"),
        pytest.param(["--api-key", f"--{SECRET}"], id="a secret like a flag"),
        pytest.param(["--hf-token", f"a --model {SECRET} b"], id="a secret with a flag in it"),
        pytest.param(
            ["--enable-lora", "--api-key", f"a --model {SECRET} b"], id="the same after a flag without a value"
        ),
        pytest.param([f"vllm serve --api-key 'a --model {SECRET} b'"], id="quoted in a shell line"),
        pytest.param([f"vllm serve --api-key {SECRET}\n"], id="line end"),
        pytest.param(["--header", f"Authorization: Bearer {SECRET}"], id="a header"),
        pytest.param(["--model", f"https://user:{SECRET}@host/m"], id="userinfo in a model's address"),
        pytest.param([f"--model=s3://bucket/m?sig={SECRET}"], id="query in a model's address"),
        pytest.param([f"--override-config={{'key': '{SECRET}'}}"], id="JSON"),
        pytest.param([f"curl -H 'X: {SECRET}' https://h | bash -s -- --port 80"], id="another program's line"),
    ],
)
def test_a_secret_in_a_command_is_never_shown(command: list[str]) -> None:
    assert SECRET not in f"{program(command)} {shown_flags(command)}"
    assert SECRET not in f"{program([])} {shown_flags(['vllm'], command)}"


secrets = st.text(
    st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters="'\"\\"), min_size=6, max_size=30
)
phrases = st.lists(secrets, min_size=1, max_size=3).map(" ".join)
templates = st.sampled_from(
    [
        ["--api-key", "{}"],
        ["--api-key={}"],
        ["--hf-token", "{}\n"],
        ["--hf-token={}\n"],
        ["--enable-lora", "--password={}"],
        ["vllm", "serve", "m", "--port", "80", "--api-key", "{}", "--seed=1"],
        ["vllm serve m --api-key '{}' --port 80"],
        ["vllm serve m --api-key='{}' --port 80"],
        ['vllm serve m --port 80 --hf-token "{}"'],
        ["bash", "-c", "vllm serve m --api-key '{}' \\\n  --port 80"],
        ["HF_TOKEN='{}' vllm serve m"],
        ["A=1 HF_TOKEN='{}'\nvllm serve m --port 80"],
        ["bash", "-c", "export HF_TOKEN='{}'; exec vllm serve m"],
    ]
)


def parts_of(secret: str) -> set[str]:
    """Every piece of six characters."""
    return {secret[at : at + 6] for at in range(len(secret) - 5)}


@given(templates, phrases)
@settings(max_examples=150, deadline=None)
def test_no_part_of_a_generated_secret_is_shown(template: list[str], secret: str) -> None:
    command = [item.replace("{}", secret) for item in template]
    known = " ".join(template).replace("{}", " ")
    shown = f"{program(command)} {' '.join(shown_flags(command))}"
    for part in parts_of(secret):
        assume(part not in known)
        assert part not in shown


@pytest.mark.parametrize(
    ("text", "engine"),
    [
        ("vllm", "vllm"),
        ("vLLM", "vllm"),
        ("vllm/vllm-openai:v0.9.1", "vllm"),
        ("registry.example/team/vllm_ascend:1", "vllm"),
        ("vllm.entrypoints.openai.api_server", "vllm"),
        ("/opt/vllm/bin/python", "vllm"),
        ("sglang", "sglang"),
        ("SGLang", "sglang"),
        ("lmsysorg/sglang:v0.4.6", "sglang"),
        ("sglang.launch_server", "sglang"),
        ("sgl-kernel", "sglang"),
        ("python3", "unknown"),
        ("myvllmfork", "unknown"),
        ("usgl", "unknown"),
        ("", "unknown"),
        (None, "unknown"),
    ],
)
def test_an_engine_is_known_by_a_name_that_tells_it(text: str | None, engine: str) -> None:
    assert engine_in(text) == engine


@pytest.mark.parametrize(
    ("image", "commands", "engine"),
    [
        pytest.param("lmsysorg/sglang:1", [["vllm", "serve"]], "sglang", id="the image goes first"),
        pytest.param("company/llm:1", [["python3", "-m", "sglang.launch_server"]], "sglang", id="a module"),
        pytest.param(None, [["vllm", "serve", "m"]], "vllm", id="no image"),
        pytest.param(None, [["bash", "-c", "vllm serve m"]], "vllm", id="a shell line"),
        pytest.param(None, [["bash"], ["-c", "exec vllm serve m"]], "vllm", id="args"),
        pytest.param("company/llm:1", [["serve", "--template", "vllm"]], "unknown", id="a flag's value is no program"),
        pytest.param("company/llm@sha256:" + "0" * 64, [], "unknown", id="neither"),
        pytest.param("vllm:pw@registry.example/llm:1", [], "unknown", id="a user name is no engine"),
    ],
)
def test_the_engine_is_the_images_or_the_programs(image: str | None, commands: list[list[str]], engine: str) -> None:
    assert engine_of(image, *commands) == engine


@pytest.mark.parametrize(
    ("image", "shown"),
    [
        ("vllm/vllm-openai:v0.9.1", "vllm/vllm-openai:v0.9.1"),
        (f"user:{SECRET}@registry.example/vllm:1", "registry.example/vllm:1"),
        ("registry.example/vllm@sha256:" + "ab" * 32, "registry.example/vllm@sha256:" + "ab" * 32),
        (f"user:{SECRET}@registry.example/vllm@sha256:" + "ab" * 32, "registry.example/vllm@sha256:" + "ab" * 32),
        (None, None),
    ],
    ids=["plain", "userinfo", "digest", "userinfo and digest", "none"],
)
def test_an_image_is_shown_without_a_user(image: str | None, shown: str | None) -> None:
    assert shown_image(image) == shown
