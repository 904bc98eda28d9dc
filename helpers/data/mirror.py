"""A file from a mirror that may be dead, silent or far too slow."""

import threading
import time
import urllib.request

from helpers.language import tr

NO_ANSWER = tr("no answer within {seconds} seconds")
TOO_SLOW = tr("less than {count:,} bytes a second")
SLOWEST = 10_000  # bytes a second; a mirror that gives less is left


def probe(url: str, seconds: float) -> None:
    """Raise unless `url` answers in time. A socket's own time-out would not do: a slow
    name server, and a host with eight addresses, each multiply it."""
    outcome = [TimeoutError(NO_ANSWER.format(seconds=seconds))]

    def ask():
        request = urllib.request.Request(url, method="HEAD")
        try:
            urllib.request.urlopen(request, timeout=seconds).close()
            outcome[0] = None
        except Exception as error:  # a time-out is the outcome already
            if not isinstance(getattr(error, "reason", error), TimeoutError):
                outcome[0] = error

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(seconds)
    if outcome[0]:
        raise outcome[0]


def transfer(url: str, seconds: float) -> bytes:
    """The bytes at `url`; TimeoutError where they stop, or come too slowly."""
    content, due, enough = bytearray(), time.monotonic() + seconds, SLOWEST * seconds
    with urllib.request.urlopen(url, timeout=seconds) as answer:
        while part := answer.read1(1 << 16):
            content += part
            if time.monotonic() > due:
                if len(content) < enough:
                    raise TimeoutError(TOO_SLOW.format(count=SLOWEST))
                due = time.monotonic() + seconds
                enough = len(content) + SLOWEST * seconds
    return bytes(content)
