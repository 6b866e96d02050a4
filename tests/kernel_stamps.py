"""Whether this system stamps what TCP brings: some sandboxes do not."""

import atexit
import socket
import time
from functools import cache

from bench.providers.openai.kernel_stamps import Receiver, stamp

TRIES = 200

PAUSE_S = 0.01
"""A busy system takes its time to begin with stamps."""


@cache
def given() -> bool:
    """Return whether bytes over loopback come with stamps; they do then for as long as this process lives."""
    try:
        atexit.register(Receiver().close)
    except OSError:
        return False
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname())
        server, _ = listener.accept()
    with client, server:
        stamp(client)
        for _ in range(TRIES):
            server.sendall(b"x")
            if client.recvmsg(1, 64)[1]:
                return True
            time.sleep(PAUSE_S)
    return False
