"""The doctor's verdict on an entry that was just installed."""

from collections.abc import Awaitable, Callable

from alaya_mcp.doctor.connection import Network
from alaya_mcp.doctor.examination import Question, World, examine
from alaya_mcp.doctor.hosts import passed_by
from alaya_mcp.doctor.network import system_addresses
from alaya_mcp.doctor.report import verdict
from alaya_mcp.hosts.catalogue import Host, Machine
from alaya_mcp.hosts.transaction import Terminal


def judge(terminal: Terminal) -> Callable[[Host, Machine], Awaitable[None]]:
    """Return a function that examines the server as a host would start it, and shows what is wrong with it."""

    async def judged(host: Host, machine: Machine) -> None:
        passed = passed_by(host, machine)
        if passed.check.verdict == "host_over_sandbox":
            terminal.say(f"Nothing to check: {passed.check.found}.")
            return
        environ = dict(passed.environ)
        world = World(environ, Network(environ, system_addresses), machine, host, passed)
        checks = await examine(Question(chats=False), world, lambda _check: None)
        troubles = [check for check in checks if check.level in {"warning", "failed"}]
        for check in troubles:
            terminal.say(f"! {check.title}: {check.found}")
            terminal.say(f"  → {check.next_step}" if check.next_step else "")
        if troubles:
            terminal.say(f"The doctor on {host.title}'s entry: {verdict(troubles)}")
        else:
            key = next((check.found for check in checks if check.id == "key" and check.level == "ok"), "")
            of_key = f": key pair {key}" if key else ""
            terminal.say(f"The doctor finds no problem with {host.title}'s entry{of_key}.")

    return judged
