"""Where this process can be reached from outside."""

from contextlib import suppress

import psutil

HERE = {"127.0.0.1", "::1"}


def listening():
    """The addresses on which this process and its children wait for others."""
    this, found = psutil.Process(), set()
    for process in (this, *this.children(recursive=True)):
        with suppress(psutil.NoSuchProcess):  # it ended meanwhile
            for connection in process.net_connections("inet"):
                if connection.status == psutil.CONN_LISTEN:
                    found.add(connection.laddr.ip)
    return found
