"""The hosts: where their programs and files are, what keeps them quiet, how each lists its servers and is run once."""

import json
from dataclasses import dataclass
from typing import Final

PROMPT = "List my deployments."
SERVER = "alaya"


@dataclass(frozen=True, slots=True)
class RealHost:
    """One host; `@URL@` in its settings, variables and arguments stands for the scripted model's address.

    Attributes:
        name: Its name on our command line.
        program: Its program, below node_modules.
        file: Its user's file, below the home.
        settings: What stands in that file before the server is added.
        listing: The arguments with which it lists its servers.
        listed: What its listing then says of ours, a pattern.
        run: The arguments with which it answers PROMPT once, allowed to use the tool.
        environ: What keeps it at home and leads it to the scripted model.
        rewrites_its_file: Whether it writes that file itself in a run or a listing.
    """

    name: str
    program: str
    file: str
    settings: str
    listing: tuple[str, ...]
    listed: str
    run: tuple[str, ...]
    environ: tuple[tuple[str, str], ...] = ()
    rewrites_its_file: bool = False


def _quiet_gemini(**more: object) -> str:
    """Settings of Gemini CLI, and of Qwen Code, which came of it."""
    quiet = {"privacy": {"usageStatisticsEnabled": False}, "general": {"enableAutoUpdate": False}}
    return json.dumps({**quiet, "telemetry": {"enabled": False}, **more}, indent=2) + "\n"


CLAUDE_CODE: Final = RealHost(
    name="claude-code",
    program="@anthropic-ai/claude-code-linux-x64/claude",
    file=".claude.json",
    settings="{}\n",
    listing=("mcp", "list"),
    listed=r"alaya: .* ✔ Connected",
    run=("-p", PROMPT, "--allowedTools", f"mcp__{SERVER}__list_deployments"),
    environ=(
        ("ANTHROPIC_BASE_URL", "@URL@"),
        ("ANTHROPIC_API_KEY", "none"),
        ("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1"),
        ("DISABLE_AUTOUPDATER", "1"),
        ("DISABLE_TELEMETRY", "1"),
        ("ENABLE_TOOL_SEARCH", "false"),
        ("CLAUDE_CODE_MCP_STARTUP_WAIT_MS", "300000"),
    ),
    rewrites_its_file=True,
)
CODEX: Final = RealHost(
    name="codex",
    program="@openai/codex/vendor/x86_64-unknown-linux-musl/bin/codex",
    file=".codex/config.toml",
    settings="""\
# Where the scripted model is.
model = "scripted"
model_provider = "scripted"
check_for_update_on_startup = false

[model_providers.scripted]
name = "scripted"
base_url = "@URL@/v1"
wire_api = "responses"

[analytics]
enabled = false

[features]
apps = false
plugins = false
""",
    listing=("mcp", "list"),
    listed=r"alaya .* enabled",
    # Without `required` it asks its model before the server has answered.
    run=(
        *("exec", "--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox"),
        *("-c", f"mcp_servers.{SERVER}.required=true", "-c", f"mcp_servers.{SERVER}.startup_timeout_sec=300", PROMPT),
    ),
)
COPILOT: Final = RealHost(
    name="copilot",
    program="@github/copilot-linux-x64/copilot",
    file=".copilot/mcp-config.json",
    settings="{}\n",
    listing=("mcp", "list"),
    listed=r"alaya \(local\)",
    run=("-p", PROMPT, "--allow-all-tools", "--no-auto-update"),
    environ=(
        ("COPILOT_AUTO_UPDATE", "false"),
        ("COPILOT_MODEL", "scripted"),
        ("COPILOT_OFFLINE", "true"),
        ("COPILOT_PROVIDER_API_KEY", "none"),
        ("COPILOT_PROVIDER_BASE_URL", "@URL@/v1"),
    ),
)
GEMINI: Final = RealHost(
    name="gemini",
    program=".bin/gemini",
    file=".gemini/settings.json",
    settings=_quiet_gemini(security={"auth": {"selectedType": "gemini-api-key"}}),
    listing=("mcp", "list"),
    listed=r"✓ alaya: .* - Connected",
    run=("-p", PROMPT, "-m", "gemini-2.5-flash", "--approval-mode", "yolo"),
    environ=(
        ("GEMINI_API_KEY", "none"),
        # It starts no server at all in a folder that is not trusted.
        ("GEMINI_CLI_TRUST_WORKSPACE", "true"),
        ("GOOGLE_GEMINI_BASE_URL", "@URL@"),
    ),
)
OPENCODE: Final = RealHost(
    name="opencode",
    program="opencode-linux-x64/bin/opencode",
    file=".config/opencode/opencode.json",
    settings="""\
{
  // Where the scripted model is.
  "provider": {
    "scripted": {
      "npm": "@ai-sdk/openai-compatible",
      "options": { "baseURL": "@URL@/v1", "apiKey": "none" },
      "models": { "scripted": {} },
    },
  },
  "model": "scripted/scripted",
  "small_model": "scripted/scripted",
}
""",
    listing=("mcp", "list"),
    listed=r"✓ alaya .*connected",
    run=("run", PROMPT),
    environ=(
        ("OPENCODE_DISABLE_AUTOUPDATE", "1"),
        ("OPENCODE_DISABLE_DEFAULT_PLUGINS", "1"),
        ("OPENCODE_DISABLE_LSP_DOWNLOAD", "1"),
        ("OPENCODE_DISABLE_MODELS_FETCH", "1"),
    ),
    rewrites_its_file=True,
)
QWEN: Final = RealHost(
    name="qwen",
    program=".bin/qwen",
    file=".qwen/settings.json",
    settings=_quiet_gemini(),
    listing=("mcp", "list"),
    listed=r"✓.* alaya: .* - Connected",
    run=("-p", PROMPT, "--auth-type", "openai", "--approval-mode", "yolo"),
    environ=(
        ("OPENAI_API_KEY", "none"),
        ("OPENAI_BASE_URL", "@URL@/v1"),
        ("OPENAI_MODEL", "scripted"),
    ),
    rewrites_its_file=True,
)

REAL_HOSTS: Final = (CLAUDE_CODE, CODEX, COPILOT, GEMINI, OPENCODE, QWEN)
