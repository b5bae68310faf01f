"""Passkeys (WebAuthn): the challenges that they sign, and whether they signed well."""

import json
from dataclasses import dataclass, field
from typing import cast

import msgspec
from webauthn import (
    generate_authentication_options,
    generate_registration_options,
    options_to_json,
    verify_authentication_response,
    verify_registration_response,
)
from webauthn.helpers import base64url_to_bytes, parse_client_data_json
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from inventory.kit.doors.decoding import Json
from inventory.kit.doors.origins import origin_of
from waitroom.admin.accounts.refusals import WrongPasskey

CHALLENGE_BYTES = 32
TIMEOUT_MS = 120_000
_LOOPBACK = {"127.0.0.1", "[::1]"}
# The longest id of a credential (WebAuthn, section 4). An index takes little more.
CREDENTIAL_ID_BYTES_MAX = 1023
# Anyone may send JSON that is nested too deeply to be read.
_UNREADABLE = (
    WebAuthnException,
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    RecursionError,
)


class Signed(msgspec.Struct, frozen=True, rename="camel"):
    """The part of a credential that an authenticator made, in base64url."""

    client_data_json: str = msgspec.field(name="clientDataJSON")
    attestation_object: str = ""
    authenticator_data: str = ""
    signature: str = ""
    user_handle: str | None = None


class Credential(msgspec.Struct, frozen=True, rename="camel"):
    """A credential as browsers write it: `PublicKeyCredential.toJSON()` of WebAuthn."""

    id: str
    raw_id: str
    response: Signed
    type: str = "public-key"

    @property
    def credential_id(self) -> bytes:
        """The bytes of the id; raises `WrongPasskey` if it is none."""
        return _bytes_of(self.raw_id)

    @property
    def challenge(self) -> bytes:
        """The challenge that it says to have signed; raises `WrongPasskey` if it names none."""
        try:
            return parse_client_data_json(_bytes_of(self.response.client_data_json)).challenge
        except _UNREADABLE as error:
            raise WrongPasskey from error

    def body(self) -> Json:
        """Return it as the library reads it."""
        return cast("Json", msgspec.to_builtins(self))


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownPasskey:
    """A passkey as the database has it. `operator` is the name of its operator."""

    passkey_id: int
    operator_id: int
    operator: str
    public_key: bytes = field(repr=False)
    sign_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPasskey:
    """A passkey that was made just now."""

    credential_id: bytes
    public_key: bytes = field(repr=False)
    sign_count: int


class Passkeys:
    """Asks for passkeys and checks them, at the one origin at which the service is used.

    A service without a public address is used at this machine's own, which passkeys know by the
    name localhost alone. At another bare IP address there are none: `origin` is then "".
    """

    def __init__(self, base_url: str, *, brand: str) -> None:
        self._brand = brand
        self._rp_id, self.origin = _party_of(base_url)

    def adding_body(
        self, challenge: bytes, *, operator_id: int, name: str, known: list[bytes]
    ) -> Json:
        """Return what a browser needs to make a passkey for an operator."""
        options = generate_registration_options(
            rp_id=self._rp_id,
            rp_name=self._brand,
            user_id=_handle(operator_id),
            user_name=name,
            challenge=challenge,
            timeout=TIMEOUT_MS,
            exclude_credentials=[PublicKeyCredentialDescriptor(id=one) for one in known],
            authenticator_selection=AuthenticatorSelectionCriteria(
                resident_key=ResidentKeyRequirement.REQUIRED,
                user_verification=UserVerificationRequirement.REQUIRED,
            ),
        )
        return cast("Json", json.loads(options_to_json(options)))

    def proving_body(self, challenge: bytes, *, known: list[bytes]) -> Json:
        """Return what a browser needs to sign with one of these passkeys, or with any."""
        options = generate_authentication_options(
            rp_id=self._rp_id,
            challenge=challenge,
            timeout=TIMEOUT_MS,
            allow_credentials=[PublicKeyCredentialDescriptor(id=one) for one in known],
            user_verification=UserVerificationRequirement.REQUIRED,
        )
        return cast("Json", json.loads(options_to_json(options)))

    def added(self, credential: Credential) -> NewPasskey:
        """Return a new passkey; raises `WrongPasskey`. The caller has spent its challenge."""
        try:
            made = verify_registration_response(
                credential=credential.body(),
                expected_challenge=credential.challenge,
                expected_rp_id=self._rp_id,
                expected_origin=self.origin,
                require_user_verification=True,
            )
        except _UNREADABLE as error:
            raise WrongPasskey from error
        if len(made.credential_id) > CREDENTIAL_ID_BYTES_MAX:
            raise WrongPasskey
        return NewPasskey(
            credential_id=made.credential_id,
            public_key=made.credential_public_key,
            sign_count=made.sign_count,
        )

    def count_of(self, credential: Credential, known: KnownPasskey) -> int:
        """Return the counter with which a passkey signed; raises `WrongPasskey`.

        A counter that does not grow is a copy's. The caller has spent the challenge.
        """
        handle = credential.response.user_handle
        if handle and _bytes_of(handle) != _handle(known.operator_id):
            raise WrongPasskey
        try:
            proved = verify_authentication_response(
                credential=credential.body(),
                expected_challenge=credential.challenge,
                expected_rp_id=self._rp_id,
                expected_origin=self.origin,
                credential_public_key=known.public_key,
                credential_current_sign_count=known.sign_count,
                require_user_verification=True,
            )
        except _UNREADABLE as error:
            raise WrongPasskey from error
        return proved.new_sign_count


def _party_of(base_url: str) -> tuple[str, str]:
    """Return the id of the relying party and its origin, both "" where no passkey can work."""
    origin = origin_of(base_url)
    if origin is None:
        return "", ""
    if origin.host in _LOOPBACK:
        return "localhost", origin.address.replace(origin.host, "localhost", 1)
    numeric = origin.host.startswith("[") or origin.host.rpartition(".")[2].isdigit()
    secure = origin.scheme == "https" or origin.host == "localhost"
    return ("", "") if numeric or not secure else (origin.host, origin.address)


def _handle(operator_id: int) -> bytes:
    return operator_id.to_bytes(8)


def _bytes_of(text: str) -> bytes:
    try:
        return base64url_to_bytes(text)
    except (ValueError, UnicodeError) as error:
        raise WrongPasskey from error
