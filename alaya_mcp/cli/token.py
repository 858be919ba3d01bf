"""Make, list and remove the tokens of the HTTP server's callers."""

import argparse
import os
import sys
from typing import Final

from alaya_mcp.config.callers import CallersSettings
from alaya_mcp.config.http import load_http_settings
from alaya_mcp.config.tokens import TokenFile
from alaya_mcp.errors import NotConfigured
from alaya_mcp.terminal.console import open_console
from alaya_mcp.terminal.error_steps import error_lines

_FAILED: Final = 1


async def run(arguments: argparse.Namespace) -> int:
    """Do what is asked, and return the exit status."""
    console = open_console()
    try:
        file = TokenFile(load_http_settings({}, os.environ).tokens_file)
        match arguments.action:
            case "add":
                account = await CallersSettings(os.environ, frozenset()).of_profile(arguments.profile, "")
                if isinstance(account, NotConfigured):
                    return _fail(f"the profile {arguments.profile} cannot be used; the line above says why")
                text = file.add(arguments.name, arguments.profile)
                console.print(
                    f"The token of {arguments.name}, for the profile {arguments.profile}. It is shown only now:"
                )
                print(text)  # noqa: T201 as it is, without the console's colours and line breaks
            case "remove":
                if not file.remove(arguments.name):
                    return _fail(f"there is no token of the name {arguments.name}; `alayanew-mcp token list` shows all")
                console.print(f"The token of {arguments.name} is removed; a running server refuses it from now on.")
            case _:
                for token in file.tokens():
                    console.print(f"{token.name}  profile {token.profile}  added {token.added:%Y-%m-%d}", markup=False)
                if not file.tokens():
                    console.print("There are no tokens; `alayanew-mcp token add NAME --profile PROFILE` makes one.")
    except NotConfigured as problem:
        return _fail(error_lines(problem))
    except ValueError as error:
        return _fail(str(error))
    except OSError as error:
        return _fail(f"the file of tokens cannot be written: {error.strerror}")
    return 0


def _fail(message: str) -> int:
    sys.stderr.write(f"alayanew-mcp token: {message}\n")
    return _FAILED
