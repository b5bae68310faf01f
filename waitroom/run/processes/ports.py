"""The port that the web processes share, and the sockets on which they listen."""

import errno
import socket


class PortInUse(Exception):
    """The port cannot be had; the message is one line that says why.

    `passes` tells that another program has it, which may end.
    """

    def __init__(self, words: str, *, passes: bool = False) -> None:
        super().__init__(words)
        self.passes = passes


def claim_port(host: str, port: int) -> int:
    """Return the port if it is free, a free one for 0; raises `PortInUse`.

    The web processes share the port by SO_REUSEPORT, with which a second service would start
    happily beside the first and take half of its shoppers. So it is tried without it first.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise _refused(host, port, error) from error
        return int(probe.getsockname()[1])


def bind_shared(host: str, port: int) -> list[socket.socket]:
    """Return a socket for each address of the host, bound beside those of other processes.

    The kernel gives each process that listens on the port its share of the new connections.
    Raises `PortInUse` if an address cannot be bound.
    """
    try:
        return _bind_all(host, port)
    except OSError as error:
        raise _refused(host, port, error) from error


def _refused(host: str, port: int, error: OSError) -> PortInUse:
    if isinstance(error, socket.gaierror):
        return PortInUse(
            f"the host {host} cannot be looked up ({error.strerror}); choose another with --host"
        )
    if error.errno == errno.EADDRNOTAVAIL:
        return PortInUse(f"{host} is no address of this machine; choose another with --host")
    why = {
        errno.EADDRINUSE: "is in use by another program",
        errno.EACCES: "may not be used by this user",
    }.get(error.errno or 0, f"cannot be used ({error.strerror})")
    return PortInUse(
        f"port {port} on {host} {why}; choose another with --port",
        passes=error.errno == errno.EADDRINUSE,
    )


def _bind_all(host: str, port: int) -> list[socket.socket]:
    found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    bound: list[socket.socket] = []
    try:
        for family, kind, protocol, _, address in dict.fromkeys(found):
            bound.append(socket.socket(family, kind, protocol))
            bound[-1].setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound[-1].setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            if family == socket.AF_INET6:
                # The socket of IPv4 is one of its own.
                bound[-1].setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            bound[-1].bind(address)
    except OSError:
        for one in bound:
            one.close()
        raise
    return bound
