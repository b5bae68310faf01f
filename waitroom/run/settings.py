"""Settings: read once from TOML and environment into frozen values; secrets kept apart."""

import difflib
import os
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta
from msgspec.structs import force_setattr

from inventory.kit.doors.client_address import TrustedProxies, parse_networks
from inventory.kit.doors.decoding import convert
from inventory.kit.doors.origins import is_safe_address
from inventory.kit.doors.texts import Name
from waitroom.desk.proving.provider import check_provider
from waitroom.desk.shards.shard_map import ShardMap
from waitroom.outgoing.mail.relay import parse_sender
from waitroom.run.addresses import (
    EMBEDDED,
    check_postgres_url,
    check_valkey_url,
    listening_host,
    public_address,
)
from waitroom.run.keys.secret_checks import check_customers, check_mail, check_stripe
from waitroom.run.shards.shard import Shard, check_own, map_of, merged_json, settled

ENVIRONMENT_PREFIX = "WAITROOM_"
KEY_BYTES = 32
# Read from the environment but no settings: where to look, and what no shared file may have.
_APART = {
    "CONFIG",
    # What a shell may hold for programs, beside the commands of the service.
    *("URL", "KEY"),
    *("SIGNING_KEYS", "COMING_KEY", "FIRST_KEY"),
    "CUSTOMER_JWT_SECRET",
    "STRIPE_SECRET_KEY",
    "STRIPE_WEBHOOK_SECRETS",
    "SMTP_URL",
    "CHECK_SECRET",
    "OPERATOR_CLIENT_SECRET",
    "SUPERVISOR",
    "HEARTBEAT",
    "LISTENERS",
    "CHROMIUM",
}

Port = Annotated[int, Meta(ge=0, le=65535)]
Count = Annotated[int, Meta(ge=1, le=10_000)]
# No step of a request or of stopping may take longer than an hour.
Seconds = Annotated[float, Meta(ge=0, le=3600)]
Days = Annotated[int, Meta(ge=0, le=36500)]


class SettingsError(Exception):
    """A setting cannot be used; the message is one line that says which, where and why."""


def _default_data_dir() -> str:
    base = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return str(Path(base, "waitroom"))


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Everything that can be set; `config/waitroom.toml` explains each, with unit and default."""

    host: str = "127.0.0.1"
    port: Port = 8080
    admin_port: Port = 0
    public_url: str = ""
    workers: Count = 2
    data_dir: Annotated[str, Meta(min_length=1)] = msgspec.field(default_factory=_default_data_dir)
    postgres_url: str = EMBEDDED
    postgres_owner_url: str = ""
    postgres_connections_max: Annotated[int, Meta(ge=2, le=10_000)] = 8
    postgres_pooler: bool = False
    valkey_url: str = EMBEDDED
    brand: Name = "Waitroom"
    payment_wait_s: Seconds = 8.0
    gateway: Literal["", "test", "stripe"] = ""
    stripe_publishable_key: str = ""
    drain_s: Seconds = 2.0
    archive_after_days: Days = 90
    forget_people_after_days: Days = 365
    forget_orders_after_days: Days = 3650
    operator_issuer: str = ""
    operator_client_id: str = ""
    keep_security_events_days: Days = 365
    trusted_proxies: list[str] = []
    sign_in_attempts_per_minute: Count = 10
    second_factor: Literal["optional", "required"] = "optional"
    limits_factor: Annotated[float, Meta(ge=0, le=1000)] = 1.0
    customer_issuer: str = ""
    customer_audience: str = ""
    customer_jwks_url: str = ""
    customer_sign_in_url: str = ""
    check_provider: Literal["", "turnstile", "hcaptcha"] = ""
    check_site_key: str = ""
    check_verify_url: str = ""
    check_script_url: str = ""
    mail_from: str = ""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_json: bool = False
    webhooks_allow_private: bool = False
    demo: bool = False
    shard: str = ""
    shards: dict[str, Shard] = {}

    def __post_init__(self) -> None:
        self._settle_addresses()
        force_setattr(self, "shards", settled(self.shards))
        check_own(self.shard, self.postgres_url, self.valkey_url)
        self._check_engines()
        self._check_proxies()
        if self.admin_port and self.admin_port == self.port:
            raise ValueError("admin_port has to differ from port; 0 is for none")
        self._check_identity()
        urls = (self.check_verify_url, self.check_script_url)
        check_provider(self.check_provider, self.check_site_key, *urls)
        if self.stripe_publishable_key and not self.stripe_publishable_key.startswith("pk_"):
            # Above all, the secret key must not get onto a page.
            raise ValueError("stripe_publishable_key is the key that begins with pk_")
        if self.gateway == "stripe" and not self.stripe_publishable_key:
            raise ValueError('gateway = "stripe" needs stripe_publishable_key')
        if self.mail_from:
            try:
                parse_sender(self.mail_from)
            except ValueError as error:
                raise ValueError(f"mail_from cannot be used: {error}") from error

    def _check_identity(self) -> None:
        if self.customer_jwks_url and not self.customer_issuer:
            raise ValueError("customer_jwks_url needs customer_issuer")
        if bool(self.operator_issuer) != bool(self.operator_client_id):
            raise ValueError("operator_issuer and operator_client_id go together")
        if self.customer_issuer and not self.customer_audience:
            raise ValueError("customer_issuer needs customer_audience")
        for name in ("customer_jwks_url", "customer_sign_in_url", "operator_issuer"):
            if getattr(self, name) and not is_safe_address(getattr(self, name)):
                raise ValueError(f"{name} is an https address, or http on this machine")

    def _settle_addresses(self) -> None:
        """Keep `host` and `public_url` in the one form that everything else compares."""
        try:
            force_setattr(self, "host", listening_host(self.host))
        except ValueError as error:
            raise ValueError(
                'host has to be an address or a name such as "127.0.0.1" or "::1"'
            ) from error
        if not self.public_url:
            return
        try:
            force_setattr(self, "public_url", public_address(self.public_url))
        except ValueError as error:
            raise ValueError(
                'public_url has to be an address such as "https://queue.example.com" or '
                '"https://shop.example.com/queue"'
            ) from error

    def _check_engines(self) -> None:
        if self.postgres_url == EMBEDDED and self.postgres_owner_url:
            raise ValueError("postgres_owner_url needs postgres_url")
        owner = {"postgres_owner_url": self.postgres_owner_url} if self.postgres_owner_url else {}
        for name, url in ({"postgres_url": self.postgres_url} | owner).items():
            if url != EMBEDDED:
                check_postgres_url(name, url)
        if self.valkey_url != EMBEDDED:
            check_valkey_url("valkey_url", self.valkey_url)

    @property
    def ports(self) -> list[int]:
        """The ports on which the web processes listen."""
        return [self.port, self.admin_port] if self.admin_port else [self.port]

    def _check_proxies(self) -> None:
        try:
            networks = self.proxies.networks
        except ValueError as error:
            raise ValueError(f"trusted_proxies are addresses and networks: {error}") from error
        if any(network.prefixlen == 0 for network in networks):
            raise ValueError("trusted_proxies may not be all addresses: anyone could then pose")

    @property
    def proxies(self) -> TrustedProxies:
        """The proxies that are trusted; a demonstration trusts its own machine's crowd."""
        own = ["127.0.0.1", "::1"] if self.demo and not self.trusted_proxies else []
        return TrustedProxies(networks=parse_networks([*self.trusted_proxies, *own]))

    @property
    def base_url(self) -> str:
        """The address of the service as browsers know it."""
        return self.public_url or self.own_url

    @property
    def own_url(self) -> str:
        """The address of the service on its own machine; no URL has the zone of an address."""
        return self._url_on(self.port)

    @property
    def admin_url(self) -> str:
        """The address under which operators find their screens."""
        return self._url_on(self.admin_port) if self.admin_port else self.base_url

    @property
    def screens_url(self) -> str:
        """The address at which browsers know the operators' screens, and passkeys their site."""
        return self.public_url or self.admin_url

    def _url_on(self, port: int) -> str:
        host = self.host.partition("%")[0]
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    @property
    def public_path(self) -> str:
        """The path of the public address, such as /queue; "" at the root of its host."""
        return urlsplit(self.public_url).path

    @property
    def secure(self) -> bool:
        return self.base_url.startswith("https://")

    @property
    def shard_map(self) -> ShardMap:
        """Which room is given to which shard."""
        return map_of(self.shard, self.shards)

    @property
    def secrets_path(self) -> Path:
        return Path(self.data_dir).expanduser() / "secrets.toml"


# Settings by name that a command's options give: None where an option was not given. `Settings`
# checks them with all others.
Overrides = Mapping[str, Any]


def load_settings(
    path: Path | None = None,
    *,
    environment: Mapping[str, str] | None = None,
    overrides: Overrides | None = None,
) -> Settings:
    """Read the TOML file, then the environment (`WAITROOM_PORT=…`), then `overrides`.

    Raises `SettingsError` for a file that is missing or broken, an unknown key (naming the nearest
    known one) or a value out of bounds.
    """
    environment = os.environ if environment is None else environment
    if path is None and environment.get("WAITROOM_CONFIG"):
        path = Path(environment["WAITROOM_CONFIG"])
    values = _read_toml(path) if path else {}
    _refuse_unknown(values, where=str(path))
    from_environment: dict[str, Any] = {
        name.removeprefix(ENVIRONMENT_PREFIX).lower(): value
        for name, value in environment.items()
        if name.startswith(ENVIRONMENT_PREFIX)
        and name.removeprefix(ENVIRONMENT_PREFIX) not in _APART
    }
    _refuse_unknown(from_environment, where="the environment", shown=_as_variable)
    if isinstance(listed := from_environment.get("trusted_proxies"), str):
        from_environment["trusted_proxies"] = [one for one in listed.split(",") if one.strip()]
    given = {k: v for k, v in (overrides or {}).items() if v is not None}
    try:
        return convert(merged_json(values, from_environment | given), Settings)
    except ValueError as error:
        raise SettingsError(f"a setting cannot be used: {error}") from error


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise SettingsError(f"there is no settings file {path}") from error
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"the settings file {path} cannot be read: {error}") from error


def _as_variable(key: str) -> str:
    return ENVIRONMENT_PREFIX + key.upper()


def _refuse_unknown(keys: Iterable[str], *, where: str, shown: Any = str) -> None:
    known = Settings.__struct_fields__
    for key in keys:
        if key in Secrets.__struct_fields__:
            raise SettingsError(
                f"{shown(key)} in {where} is a secret: it belongs into the secrets file, "
                f"or into {_as_variable(key)}"
            )
        if key not in known:
            nearest = difflib.get_close_matches(key, known, n=1, cutoff=0)[0]
            raise SettingsError(
                f"unknown setting {shown(key)} in {where}; did you mean {shown(nearest)}?"
            )


class Secrets(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The keys that sign tickets and sessions, 64 hex digits each, oldest first.

    `coming_key` is accepted and does not sign yet. `first_key` is the first signing key once it is
    retired: the log's key and the public ids of sessions are derived from it.
    `customer_jwt_secret` is the identity provider's, as it gives it: text, and not base64 to us.
    `stripe_webhook_secrets` may be several while one is being replaced by another. `smtp_url` is
    where mail is handed over; a password stands in it. `check_secret` is ours at the outside check,
    `operator_client_secret` at the operators' identity provider.
    """

    signing_keys: list[str]
    coming_key: str = ""
    first_key: str = ""
    customer_jwt_secret: str = ""
    stripe_secret_key: str = ""
    stripe_webhook_secrets: list[str] = []
    smtp_url: str = ""
    check_secret: str = ""
    operator_client_secret: str = ""

    def __repr__(self) -> str:
        return f"Secrets({len(self.signing_keys)} keys)"

    @property
    def keys(self) -> list[bytes]:
        """All keys that are accepted; the last signs."""
        coming = [self.coming_key, self.signing_keys[-1]] if self.coming_key else []
        return [bytes.fromhex(key) for key in [*self.signing_keys, *coming]]

    @property
    def first(self) -> bytes:
        """The first signing key that the service had."""
        return bytes.fromhex(self.first_key or self.signing_keys[0])


def load_secrets(settings: Settings, environment: Mapping[str, str] | None = None) -> Secrets:
    """Read the secrets from `WAITROOM_SIGNING_KEYS` (comma-separated) or the secrets file.

    `WAITROOM_CUSTOMER_JWT_SECRET`, `WAITROOM_STRIPE_SECRET_KEY`, `WAITROOM_STRIPE_WEBHOOK_SECRETS`
    (comma-separated), `WAITROOM_SMTP_URL` and `WAITROOM_CHECK_SECRET` win over the file's.
    """
    environment = os.environ if environment is None else environment
    if environment.get("WAITROOM_SIGNING_KEYS"):
        keys = environment["WAITROOM_SIGNING_KEYS"].split(",")
        found = Secrets(
            signing_keys=[k.strip() for k in keys],
            coming_key=environment.get("WAITROOM_COMING_KEY", "").strip(),
            first_key=environment.get("WAITROOM_FIRST_KEY", "").strip(),
        )
        found = _checked(found, "WAITROOM_SIGNING_KEYS")
    else:
        found = read_secrets(settings.secrets_path)
    for name in (
        *("customer_jwt_secret", "stripe_secret_key", "smtp_url", "check_secret"),
        "operator_client_secret",
    ):
        if secret := environment.get(_as_variable(name)):
            found = msgspec.structs.replace(found, **{name: secret.strip()})
    if listed := environment.get("WAITROOM_STRIPE_WEBHOOK_SECRETS"):
        several = [secret.strip() for secret in listed.split(",")]
        found = msgspec.structs.replace(found, stripe_webhook_secrets=several)
    if settings.check_site_key and not found.check_secret:
        raise SettingsError("check_site_key needs check_secret in the secrets file")
    try:
        check_customers(
            found.customer_jwt_secret,
            issuer=settings.customer_issuer,
            jwks_url=settings.customer_jwks_url,
        )
        check_stripe(
            found.stripe_secret_key, found.stripe_webhook_secrets, gateway=settings.gateway
        )
        check_mail(found.smtp_url, mail_from=settings.mail_from)
    except ValueError as error:
        raise SettingsError(str(error)) from error
    return found


def read_secrets(path: Path) -> Secrets:
    """Return what the secrets file holds; raises `SettingsError` if it is missing or broken."""
    try:
        held = msgspec.toml.decode(path.read_bytes(), type=Secrets)
    except FileNotFoundError as error:
        raise SettingsError(f"there is no secrets file {path}: run `waitroom keygen`") from error
    except (OSError, msgspec.DecodeError) as error:
        raise SettingsError(f"the secrets file {path} cannot be read: {error}") from error
    return _checked(held, str(path))


def _checked(found: Secrets, where: str) -> Secrets:
    try:
        good = bool(found.signing_keys) and all(
            len(key) == KEY_BYTES for key in [*found.keys, found.first]
        )
    except ValueError:
        good = False
    if not good:
        raise SettingsError(f"{where} must hold signing keys of {2 * KEY_BYTES} hex digits each")
    return found
