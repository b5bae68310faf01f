"""Refusals: facts with a stable code, turned into problem+json (RFC 9457) at the rim.

This module has the base class and the refusals that any package may raise. Each package lists its
own in its `refusals` module, and `docs/refusals.md` lists them all.
"""

from typing import Any

from inventory.kit.doors.decoding import Json
from inventory.kit.language.language import Language, fill
from inventory.kit.troubles import trouble_of, words_of_cause


class Refusal(Exception):
    """A request that cannot be granted, in a form that programs and people can read.

    `code` is stable and goes into the body, `status` is the HTTP status, `fields` are extra
    members that a caller needs, `headers` extra HTTP headers (such as Retry-After). `field` is the
    member of the request's body that was refused, if it was one. A detail may name fields in
    braces, and is then translated as a whole.
    """

    code: str = "refused"
    status: int = 400
    title: str = "The request was refused."

    def __init__(
        self,
        detail: str = "",
        *,
        headers: dict[str, str] | None = None,
        field: str = "",
        **fields: Any,
    ) -> None:
        self.sentence = detail or self.title
        self.detail = fill(self.sentence, fields)
        super().__init__(self.detail)
        self.fields = {**fields, "field": field} if field else fields
        self.headers = headers or {}

    def told(self, language: Language) -> str:
        """Return the detail in a language; one that no catalogue has stays in English."""
        return language.say(self.sentence, **self.fields)

    def body(self, language: Language | None = None) -> Json:
        """Return the problem document as plain values, in English or another language."""
        return {
            "type": f"urn:waitroom:problem:{self.code}",
            "title": language.say(self.title) if language else self.title,
            "status": self.status,
            "detail": self.told(language) if language else self.detail,
            "code": self.code,
            **self.fields,
        }


class BadRequest(Refusal):
    code, status, title = "bad_request", 400, "The request could not be understood."


class Unprocessable(Refusal):
    code, status, title = "unprocessable", 422, "The request's content is not valid."


class UnsupportedMediaType(Refusal):
    code, status = "unsupported_media_type", 415
    title = "The request body is in a form that this address does not read."


class TooLarge(Refusal):
    code, status, title = "too_large", 413, "This is more than can be taken in at once."


class MethodNotAllowed(Refusal):
    """The answer on a path that serves other methods alone; its header `Allow` lists them."""

    code, status = "method_not_allowed", 405
    title = "This address does not do that. The header `Allow` lists what it does."


class IdempotencyKeyMissing(Refusal):
    code, status = "idempotency_key_missing", 400
    title = "This call needs an Idempotency-Key header."


class IdempotencyKeyReused(Refusal):
    code, status = "idempotency_key_reused", 422
    title = "This Idempotency-Key was used before with another body."


class ClientKeyWeak(Refusal):
    code, status = "client_key_weak", 400
    title = "A Waitroom-Client-Key has 32 to 128 random hex digits. Please send another one."


class NotFound(Refusal):
    code, status, title = (
        "not_found",
        404,
        "There is nothing by that name here. Please check the address.",
    )


class Forbidden(Refusal):
    code, status = "forbidden", 403
    title = "You may not do this. Please ask an operator of this service."


class CrossSite(Refusal):
    code, status = "cross_site", 403
    title = (
        "This request came from another site, so nothing was done. Please use this site's pages."
    )


class TooManyRequests(Refusal):
    code, status, title = "too_many_requests", 429, "Too many requests. Please wait a moment."


class Busy(Refusal):
    """A refusal that passes by itself; the caller is told when to try again."""

    code, status = "busy", 503
    title = "The service is busy. Please try again in a moment."
    retry_after_s = 2

    def __init__(
        self, detail: str = "", *, retry_after_s: int | None = None, **fields: Any
    ) -> None:
        wait_s = self.retry_after_s if retry_after_s is None else retry_after_s
        super().__init__(detail, headers={"Retry-After": str(wait_s)}, **fields)


class EngineDown(Busy):
    code = "engine_down"
    title = "The service cannot reach its database. Your place is safe; please try again."

    def __repr__(self) -> str:
        """Name the cause, for the log: time-outs, full disks and a lack of connections differ."""
        trouble = trouble_of(self)
        if trouble is None:
            return "EngineDown()"
        words = words_of_cause(self)
        return f"EngineDown({trouble.kind}{f': {words}' if words else ''})"


class AuditTooLong(Refusal):
    code, status = "audit_too_long", 503
    title = "Counting this takes too long at the moment. Please try again when the sale is calmer."


class Failed(Refusal):
    code, status = "internal_error", 500
    title = "Something went wrong on our side. Nothing was lost; please try again."
