"""Whether the reader of a pipe is gone, found out without writing into it."""

import select


def is_closed(descriptor: int) -> bool:
    """Return whether nobody reads what is written to a descriptor; False where the system cannot say."""
    if not hasattr(select, "poll"):  # Windows
        return False
    polled = select.poll()
    polled.register(descriptor, 0)
    return any(event & (select.POLLERR | select.POLLHUP) for _, event in polled.poll(0))
