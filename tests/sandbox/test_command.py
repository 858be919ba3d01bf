"""The command that runs a sandbox alone, with a fleet."""

import re
import sys
from subprocess import PIPE

import anyio
import httpx2
import pytest

from alaya_mcp.sandbox import CATALOGUE
from tests.patience import PATIENCE
from tests.sandbox.caller import NO_CERTIFICATES, body_of
from tests.stdio_host import own_environ

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(("fleet", "last"), [(0, CATALOGUE[-1][1]), (12, "and 12 more, ")])
async def test_the_command_serves_the_fleet_that_it_tells_of(fleet: int, last: str) -> None:
    command = [sys.executable, "-m", "alaya_mcp", "sandbox", "--fleet", str(fleet)]
    with anyio.fail_after(PATIENCE):
        process = await anyio.open_process(command, stdout=PIPE, env=own_environ(PYTHONIOENCODING="utf-8"))
        async with process, httpx2.AsyncClient(trust_env=False, verify=NO_CERTIFICATES) as http:
            assert process.stdout is not None
            said = b""
            while last.encode() not in said:
                said += await process.stdout.receive()
            exports = dict(re.findall(r"^export (\w+)=(\S+)$", said.decode(), re.MULTILINE))
            keys = f"Credential={exports['ALAYA_ACCESS_KEY']},Signature={exports['ALAYA_SECRET_KEY']}"
            url = f"{exports['ALAYA_BASE_URL']}/deployment/list"
            listed = body_of(await http.get(url, headers={"Authorization": f"plain {keys}"}))
            process.terminate()
    assert listed["data"]["count"] == str(len(CATALOGUE) + fleet)
    assert (" more, " in said.decode()) is (fleet > 0)
