"""The refusals of operators' accounts and of API keys."""

from inventory.kit.problem import BadRequest, Refusal


class SignInNeeded(Refusal):
    code, status, title = "sign_in_needed", 401, "Please sign in."


class KeyRefused(Refusal):
    """A key that ended, one that expired and one that never existed are answered alike."""

    code, status = "key_refused", 401
    title = (
        "This API key is not in force: it is mistyped, has ended or has expired. An admin can make "
        "another."
    )

    def __init__(self) -> None:
        super().__init__(headers={"WWW-Authenticate": 'Bearer error="invalid_token"'})


class TwoCredentials(Refusal):
    code, status = "two_credentials", 400
    title = (
        "This request has an API key and the cookie of a signed-in operator, and they may differ. "
        "Send one of them."
    )


class ScopeLacking(Refusal):
    """`scopes_needed` has the scopes of which one is enough, `scopes` those of the key."""

    code, status = "scope_lacking", 403
    title = "This API key has not the scope that this call needs."


class ClosedToKeys(Refusal):
    code, status = "closed_to_keys", 403
    title = "No API key may make this call. Please sign in as an operator."


class KeyNarrowed(Refusal):
    """`rooms` are those in which the key works."""

    code, status = "key_narrowed", 403
    title = "This API key works in certain rooms alone, and this call is not about one of them."


class KeyNameTaken(Refusal):
    code, status = "key_name_taken", 409
    title = "There is a key by that name already. Choose another name, or end that key first."


class TooManyKeys(Refusal):
    code, status = "too_many_keys", 409
    title = "There cannot be more keys. End one that is no longer needed."


class UnknownKey(Refusal):
    code, status, title = "unknown_key", 404, "There is no such key."


class FreshSignInNeeded(Refusal):
    """`ways` are the proofs that this operator can give."""

    code, status = "fresh_sign_in_needed", 403
    title = (
        "This needs a proof that it is you, given within the last ten minutes. Please confirm it, "
        "and do this again."
    )


class SecondFactorNeeded(Refusal):
    code, status = "second_factor_needed", 403
    title = (
        "This service asks every operator for a second factor. Please set one up on your account "
        "first."
    )


class WrongFactor(Refusal):
    code, status = "wrong_factor", 403
    title = (
        "This code is not right, or was used before. Codes change every 30 seconds; please type "
        "the newest one."
    )


class CodesUsedUp(Refusal):
    code, status = "codes_used_up", 403
    title = (
        "Too many wrong codes were typed for this account. Please use a passkey, a recovery code, "
        "or a browser in which you have signed in before."
    )


class WrongPasskey(Refusal):
    code, status = "wrong_passkey", 403
    title = "This passkey was not accepted. Please try again, or sign in another way."


class PasskeyKnown(Refusal):
    code, status = "passkey_known", 409
    title = "This passkey belongs to an account already."


class TooManyPasskeys(Refusal):
    code, status = "too_many_passkeys", 409
    title = "This account cannot have more passkeys. Remove one that is no longer needed."


class PasskeysUnavailable(Refusal):
    code, status = "passkeys_unavailable", 409
    title = "Passkeys need a service whose public address has a name: `public_url` in the settings."


class AuthenticatorKnown(Refusal):
    code, status = "authenticator_known", 409
    title = "There is an authenticator app already. Remove it before you set up another."


class NoFactor(Refusal):
    code, status = "no_factor", 409
    title = "Set up an authenticator app or a passkey first."


class UnknownFactor(Refusal):
    code, status, title = "not_found", 404, "There is no such second factor."


class ProviderAway(Refusal):
    code, status = "operator_provider_away", 503
    title = "The identity provider does not answer. Sign in with your password, or try again soon."

    def __init__(self) -> None:
        super().__init__(headers={"Retry-After": "10"})


class ProviderRefused(Refusal):
    """The answer fits no sign-in that this browser began, or its token does not hold."""

    code, status = "operator_provider_refused", 401
    title = "Signing in at the identity provider did not succeed. Please start again."


class ProviderUndated(Refusal):
    """Without a moment no one can say that the person signed in just now, as we had asked."""

    code, status = "operator_provider_undated", 401
    title = (
        "The identity provider does not say when you signed in. Please ask its admin to put "
        "`auth_time` into the token."
    )


class NoAccount(Refusal):
    code, status = "operator_no_account", 403
    title = (
        "The identity provider knows you, but you have no account here. An admin can make one with "
        "your e-mail address as its name."
    )


class WrongPassword(Refusal):
    code, status, title = "wrong_password", 401, "That name and password do not match."


class PasswordGuessable(BadRequest):
    """It is common, or made of the account's own name, the brand, a date or a row of keys."""

    code = "password_guessable"
    title = (
        "This password is easy to guess. Take four words or more that have nothing to do with each "
        "other or with you, or let a password manager make one."
    )


class WrongCode(Refusal):
    code, status = "wrong_code", 403
    title = "This code is not valid. `waitroom up` prints the newest one when it starts."


class OwnAccount(Refusal):
    code, status = "own_account", 409
    title = "Only another admin can change your account. Please ask one."


class LastAdmin(Refusal):
    code, status = "last_admin", 409
    title = "That would leave no admin. Make another account an admin first."


class UnknownOperator(Refusal):
    code, status = "not_found", 404
    title = "There is no operator by that name. The list of people has all of them."
