"""The manifest of the bundle, made from the server's own definitions. Pure."""

from typing import Any, Final

from alaya_mcp.config.settings import DEFAULT_BASE_URL
from alaya_mcp.serving.prompts import PROMPTS, Prompt
from alaya_mcp.serving.server import TOOLS
from release.project import AUTHORS, NAME, TITLE, VERSION, metadata

ENTRY_POINT: Final = "server.py"
ICON_FILE: Final = "icon.png"

USER_CONFIG: Final[dict[str, dict[str, Any]]] = {
    "access_key": {
        "type": "string",
        "title": "Access key",
        "description": "First part of the Open API Key, which you create in the Alaya NeW console.",
        "sensitive": True,
        "required": True,
    },
    "secret_key": {
        "type": "string",
        "title": "Secret key",
        "description": "Second part of the same Open API Key.",
        "sensitive": True,
        "required": True,
    },
    "service_id": {
        "type": "string",
        "title": "Default deployment",
        "description": "Name or id of the deployment that is meant if none is named. May be empty.",
        "default": "",
        "required": False,
    },
    "base_url": {
        "type": "string",
        "title": "Base URL of the API",
        "description": "Change it only for an Alaya NeW API at another address.",
        "default": DEFAULT_BASE_URL,
        "required": False,
    },
}
"""What a host asks for, by the field of the settings."""


def manifest() -> dict[str, Any]:
    """Return the manifest, version 0.4.

    It names no home page, repository and privacy policy: none is known that could be checked.
    """
    project = metadata()
    return {
        "manifest_version": "0.4",
        "name": NAME,
        "display_name": TITLE,
        "version": VERSION,
        "description": project["description"],
        "long_description": (
            "Lets your agent list your deployments on Alaya NeW, see why one does not answer, list its LoRA adapters, "
            "and chat with the base model or an adapter. It creates, changes and deletes nothing.\n\n"
            "At its first start the host's uv downloads the dependencies, and Python if there is none."
        ),
        "author": {"name": AUTHORS},
        "icon": ICON_FILE,
        "server": {
            "type": "uv",
            "entry_point": ENTRY_POINT,
            "mcp_config": {
                "command": "uv",
                "args": ["run", "--directory", "${__dirname}", ENTRY_POINT],
                "env": {f"ALAYA_{field.upper()}": f"${{user_config.{field}}}" for field in USER_CONFIG},
            },
        },
        "tools": [{"name": listed.name, "description": listed.description} for listed in (t.listed() for t in TOOLS)],
        "prompts": [_prompt(prompt) for prompt in PROMPTS],
        "keywords": project["keywords"],
        "license": project["license"],
        "compatibility": {
            "platforms": ["darwin", "win32", "linux"],
            "runtimes": {"python": project["requires-python"]},
        },
        "user_config": USER_CONFIG,
    }


def _prompt(prompt: Prompt) -> dict[str, Any]:
    names = [argument.name for argument in prompt.arguments]
    return {
        "name": prompt.name,
        "description": prompt.description,
        "arguments": names,
        "text": prompt.words({name: f"${{arguments.{name}}}" for name in names}, None),
    }
