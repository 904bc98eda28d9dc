"""Where this process can be reached from outside."""

import psutil

HERE = {"127.0.0.1", "::1"}


def listening():
    """The addresses on which this process and its children wait for others."""
    this = psutil.Process()
    return {
        connection.laddr.ip
        for process in (this, *this.children(recursive=True))
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    }
