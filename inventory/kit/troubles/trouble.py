"""Errors of engines by kind: what each means and what to do. Pure: they are known by codes."""

import errno
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

# A chain of causes longer than this is no error of an engine.
_CAUSES_MAX = 8
WORDS_LENGTH_MAX = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """One kind of trouble with an engine.

    `kind` is its stable name, as logs have it; `says` what is the matter and `advice` what to do,
    each without a full stop.
    """

    kind: str
    says: str
    advice: str

    @property
    def line(self) -> str:
        return f"{self.says}: {self.advice}"


def _kind(kind: str, says: str, advice: str) -> Trouble:
    return Trouble(kind=kind, says=says, advice=advice)


_WAIT = "wait until it is ready; the service goes on by itself"
_NO_ANSWER = _kind(
    "no_answer",
    "PostgreSQL does not answer in time",
    "look for a frozen or overloaded server, a long lock, or a network that loses packets",
)
_BROKEN_OFF = _kind(
    "broken_off",
    "the connection to PostgreSQL broke off",
    "if it stays so, look into its log: it was stopped or has crashed, or the network cuts "
    "connections",
)
_REFUSED = _kind(
    "not_listening",
    "no PostgreSQL listens where postgres_url says",
    "start it, or correct the host and port",
)
_SIGN_IN = _kind(
    "sign_in_refused",
    "PostgreSQL refuses the sign-in",
    "correct role and password in postgres_url, or the server's pg_hba.conf",
)
_DISK_FULL = _kind(
    "disk_full",
    "the disk of PostgreSQL is full",
    "free space on the disk of its data folder; the service goes on by itself",
)
_NO_CONNECTION = _kind(
    "connections_exhausted",
    "PostgreSQL has no connection left",
    "raise its max_connections, or lower postgres_connections_max or workers",
)
_READ_ONLY = _kind(
    "read_only",
    "PostgreSQL takes no writes",
    "let postgres_url lead to the primary, not to a standby, and end its read-only mode",
)
_FILES = _kind(
    "files_unreadable",
    "PostgreSQL cannot read or write its files",
    "look into its log, and at the disk of its data folder",
)
# By PostgreSQL's codes: https://www.postgresql.org/docs/current/errcodes-appendix.html
_BY_STATE: Final[Mapping[str, Trouble]] = {
    "53100": _DISK_FULL,
    "53200": _kind(
        "out_of_memory",
        "PostgreSQL is out of memory",
        "give it more, or lower its shared_buffers, work_mem or max_connections",
    ),
    "53300": _NO_CONNECTION,
    "25006": _READ_ONLY,
    "28000": _SIGN_IN,
    "28P01": _SIGN_IN,
    "3D000": _kind(
        "no_database",
        "there is no such database",
        "correct its name in postgres_url, or make it with CREATE DATABASE",
    ),
    "42501": _kind(
        "no_right",
        "PostgreSQL refuses it to this role",
        "let the tables' owner run `waitroom migrate`, with postgres_owner_url",
    ),
    "42P01": (
        _no_tables := _kind(
            "no_tables",
            "the database lacks this version's tables",
            "run `waitroom migrate` first, or let `up` start",
        )
    ),
    "42883": _no_tables,
    "57014": _NO_ANSWER,
    "57P01": _kind(
        "ended_by_server",
        "PostgreSQL ended the connection: it shuts down, or an administrator cut it",
        _WAIT,
    ),
    "57P02": _kind(
        "crashed",
        "a process of PostgreSQL crashed, so it ended all connections",
        "look into its log; the service goes on by itself when it has recovered",
    ),
    "57P03": _kind("starting", "PostgreSQL takes no connections yet, or no more", _WAIT),
    "58030": _FILES,
    "58P01": _FILES,
    "08P01": _kind(
        "refused_by_pooler",
        "PostgreSQL, or the pooler in front of it, refuses the connection",
        "behind a pooler set postgres_pooler = true, and allow it enough connections",
    ),
}
# By the classes of codes, where the code itself says no more.
_BY_CLASS: Final[Mapping[str, Trouble]] = {
    "08": _BROKEN_OFF,
    "28": _SIGN_IN,
    "53": _kind(
        "out_of_resources", "PostgreSQL is out of a resource", "look into its log for which"
    ),
    "57": _kind("ended_by_server", "PostgreSQL broke the work off", _WAIT),
    "58": _FILES,
    "F0": _FILES,
}
_HERE_FULL = _kind(
    "disk_full", "the disk of this machine is full", "free space where the data folder and logs lie"
)
_BY_ERRNO: Final[Mapping[int, Trouble]] = {
    errno.ENOSPC: _HERE_FULL,
    errno.EDQUOT: _HERE_FULL,
    errno.EMFILE: (
        _descriptors := _kind(
            "no_descriptors",
            "this process may open no more files or connections",
            "raise `ulimit -n`, or systemd's LimitNOFILE",
        )
    ),
    errno.ENFILE: _descriptors,
    errno.ENOMEM: _kind("no_memory", "this machine is out of memory", "give it more"),
    errno.EADDRNOTAVAIL: _kind(
        "no_ports",
        "no free port is left for a connection to an engine",
        "widen net.ipv4.ip_local_port_range",
    ),
    errno.ECONNREFUSED: _REFUSED,
    errno.ENOENT: _kind(
        "not_listening",
        "the URL of an engine names a socket or a certificate that is not there",
        "start the engine, or correct the URL",
    ),
    errno.EACCES: _kind(
        "no_access",
        "this user may not open a socket or a file of the engine",
        "start waitroom as a user who may, or correct the URL",
    ),
    errno.EROFS: _kind(
        "read_only", "the folder lies on a disk that takes no writes", "choose another one"
    ),
    errno.ETIMEDOUT: _NO_ANSWER,
}
_UNREACHABLE = _kind(
    "unreachable",
    "no way in the network leads to the engine",
    "look at the address, routes and firewalls",
)
_UNKNOWN_HOST = _kind(
    "host_unknown", "an engine's host cannot be looked up", "correct its URL, or mend the DNS"
)
_CERTIFICATE = _kind(
    "certificate_refused",
    "the certificate of an engine is refused",
    "let its URL name the authority and the host of the certificate",
)
_NO_TLS = _kind(
    "no_tls",
    "an engine and this program cannot agree on TLS",
    "turn TLS on at the engine, or leave it out of its URL",
)
_BUSY = _kind(
    "busy",
    "a connection or a lock of PostgreSQL did not come free in time",
    "if it lasts, raise postgres_connections_max, and look for long locks",
)
# By the names of the Valkey client's errors, which share no code.
_OF_VALKEY: Final[Mapping[str, Trouble]] = {
    "OutOfMemoryError": _kind(
        "valkey_full", "Valkey's memory is full", "raise its maxmemory, or free keys of others"
    ),
    "ReadOnlyError": _kind(
        "valkey_read_only", "Valkey takes no writes", "let valkey_url lead to the primary"
    ),
    "BusyLoadingError": _kind("valkey_starting", "Valkey loads its data", _WAIT),
    "NoPermissionError": (
        _valkey_sign_in := _kind(
            "valkey_sign_in_refused",
            "Valkey refuses the sign-in",
            "correct user and password in valkey_url, and the user's rights",
        )
    ),
    "AuthenticationError": _valkey_sign_in,
    "AuthenticationWrongNumberOfArgsError": _valkey_sign_in,
    "ConnectionError": _kind(
        "valkey_away",
        "Valkey is away",
        "start it, or correct valkey_url; meanwhile limits count for each process alone",
    ),
    "TimeoutError": _kind(
        "valkey_no_answer",
        "Valkey does not answer in time",
        "look for a frozen or overloaded server; meanwhile limits count for each process alone",
    ),
}
_VALKEY_ODD = _kind(
    "valkey_refuses", "Valkey refuses a command", "look into its log: disk, memory or version"
)


def trouble_of(error: BaseException) -> Trouble | None:
    """Return the kind of trouble behind an error, None for one that is no engine's.

    A refusal that stands for an engine's error is told by its cause.
    """
    fallback = None
    for one in _chain(error):
        if (found := _of(one)) is not None:
            return found
        if getattr(one, "code", None) == "busy":
            fallback = _BUSY
    return fallback


def words_of_cause(error: BaseException) -> str:
    """Return what the engine or the system itself said, in one bounded line, "" for nothing."""
    for one in _chain(error):
        if _of(one) is not None:
            said = one.strerror if isinstance(one, OSError) and one.strerror else str(one)
            if isinstance(one, ssl.SSLCertVerificationError):
                said = one.verify_message
            return " ".join(said.split())[:WORDS_LENGTH_MAX]
    return ""


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an error, and what it stands for if it is a refusal, which has a code."""
    for _ in range(_CAUSES_MAX):
        yield error
        if error.__cause__ is None or not hasattr(error, "code"):
            return
        error = error.__cause__


def _of(error: BaseException) -> Trouble | None:
    state = getattr(error, "sqlstate", None)
    library = type(error).__module__.partition(".")[0]
    if library == "redis":
        return _of_valkey(error)
    if library == "aiohttp":
        # Its errors are the system's too, and tell of other servers.
        return None
    if isinstance(state, str):
        return _BY_STATE.get(state) or _BY_CLASS.get(state[:2])
    if library == "asyncpg":
        # Errors of the client alone: a closed pool, a connection in the midst of something.
        names = {one.__name__ for one in type(error).__mro__}
        return _BROKEN_OFF if names & {"InterfaceError", "InternalClientError"} else None
    return _of_system(error) if isinstance(error, OSError) else None


def _of_valkey(error: BaseException) -> Trouble | None:
    for kind in type(error).__mro__:
        if kind.__name__ in _OF_VALKEY:
            return _OF_VALKEY[kind.__name__]
        if kind.__name__ == "ResponseError":
            return _VALKEY_ODD
    return None


def _of_system(error: OSError) -> Trouble:
    if isinstance(error, ssl.SSLError):
        return _CERTIFICATE if isinstance(error, ssl.SSLCertVerificationError) else _NO_TLS
    if type(error).__name__ == "gaierror":
        return _UNKNOWN_HOST
    if isinstance(error, TimeoutError):
        return _NO_ANSWER
    if "rejected SSL upgrade" in str(error):
        # asyncpg's own words for a server without TLS.
        return _NO_TLS
    if error.errno in {errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN, errno.ENETDOWN}:
        return _UNREACHABLE
    return _BY_ERRNO.get(error.errno or 0, _BROKEN_OFF)
