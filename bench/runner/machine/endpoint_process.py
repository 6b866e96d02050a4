"""Which process of this machine stands behind an endpoint's URL, if any."""

import ipaddress
import socket
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

import psutil

PORTS = {"http": 80, "https": 443}

FORWARDERS = ("docker-proxy", "com.docker.backend", "rootlessport", "gvproxy", "slirp4netns", "wslrelay", "ssh")
"""Programs that listen for another machine, or for a container: their memory is not the model's."""


EVERYWHERE = {"0.0.0.0", "::"}
"""Addresses that stand for all of a machine's."""


@dataclass(frozen=True)
class Holder:
    """The process that listens where a URL points to, or None and the reason."""

    pid: int | None
    reason: str | None


@dataclass(frozen=True)
class _Listener:
    pid: int
    ip: str
    port: int


def holder_of(base_url: str) -> Holder:
    """Return the process that answers an endpoint, when it runs on this machine.

    It need not hold the model itself, but then it has started the process that does: read the memory of its family.
    Where several listen at one port, as workers do, it is the oldest.
    """
    parts = urlsplit(base_url)
    try:
        port = parts.port or PORTS[parts.scheme]
    except (ValueError, KeyError):
        return Holder(None, "the URL names no port")
    addresses = _addresses(parts.hostname or "")
    if not any(_is_here(address) for address in addresses):
        return Holder(None, "remote")
    pids = {
        listener.pid
        for listener in _listeners()
        if listener.port == port
        and (listener.ip in addresses or not addresses.isdisjoint(EVERYWHERE) or listener.ip in EVERYWHERE)
    }
    if not pids:
        return Holder(None, f"no process is seen to listen on port {port}: another user's may need more rights")
    return _oldest(pids, port)


def _addresses(host: str) -> set[str]:
    try:
        # An address of IPv6 may carry the name of its interface.
        return {str(found[4][0]).partition("%")[0] for found in socket.getaddrinfo(host, None)}
    except OSError:
        return set()


def _is_here(address: str) -> bool:
    parsed = ipaddress.ip_address(address)
    if parsed.is_loopback or parsed.is_unspecified:
        return True
    own = (entry.address.partition("%")[0] for entries in psutil.net_if_addrs().values() for entry in entries)
    return address in own


def _listeners() -> Iterator[_Listener]:
    """Yield the processes that accept connections, as far as this user may see them."""
    try:
        for each in psutil.net_connections(kind="tcp"):
            if each.pid is not None and each.status == psutil.CONN_LISTEN and each.laddr:
                yield _Listener(each.pid, each.laddr.ip, each.laddr.port)
    except psutil.AccessDenied:
        # macOS shows those of all processes to root alone, but each user his own.
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                for own in process.net_connections(kind="tcp"):
                    if own.status == psutil.CONN_LISTEN and own.laddr:
                        yield _Listener(process.pid, own.laddr.ip, own.laddr.port)


def _oldest(pids: set[int], port: int) -> Holder:
    processes = []
    for pid in pids:
        try:
            process = psutil.Process(pid)
            processes.append((process.create_time(), pid, process.name()))
        except psutil.Error:
            continue
    if not processes:
        return Holder(None, f"the process that listened on port {port} has ended")
    _, pid, name = min(processes)
    if name.removesuffix(".exe") in FORWARDERS:
        return Holder(None, f"port {port} is forwarded by {name}: the model is held elsewhere")
    return Holder(pid, None)
