"""Checks of what a person has written: settings, secrets, and what they say together."""

import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from inventory.kit.doors.origins import is_this_machine
from waitroom.run.addresses import EMBEDDED
from waitroom.run.doctor.finding import Finding, fail, graded, ok, warn
from waitroom.run.keys.key_store import Process, shown_id
from waitroom.run.settings import Secrets, Settings


def check_file(path: Path, check: str, *, holds_secrets: bool) -> Finding:
    """Look at the mode of a file; raises `OSError` if it cannot be looked at."""
    found = path.stat()
    mode = stat.S_IMODE(found.st_mode)
    others = bool(mode & (0o077 if check == "settings.secrets" else 0o007))
    strange = found.st_uid not in {0, os.geteuid()}
    says = f"{path} has mode {mode:04o}"
    if strange:
        says += f" and belongs to user {found.st_uid}"
    return graded(
        check,
        says,
        f"run chmod {'600' if check == 'settings.secrets' else '640'} {path}"
        + (", and give it to the user who runs waitroom" if strange else ""),
        fails=holds_secrets and others,
        warns=holds_secrets and strange,
    )


def names_password(settings: Settings) -> bool:
    """Say whether a URL in the settings has a password in it."""
    urls = (settings.postgres_url, settings.postgres_owner_url, settings.valkey_url)
    return any(urlsplit(url).password or "password=" in url for url in urls if url != EMBEDDED)


def check_keys(secrets: Secrets, processes: Sequence[Process]) -> Iterator[Finding]:
    """Compare the signing keys with those of the processes that run."""
    count = len(dict.fromkeys(secrets.signing_keys))
    if len(set(secrets.signing_keys)) < len(secrets.signing_keys):
        yield warn("keys.file", "a signing key stands there twice", "take one of them out")
    elif secrets.coming_key:
        yield warn(
            "keys.file",
            f"{count} signing keys, and one that waits to sign",
            "run `waitroom keygen --rotate` again: the last rotation has not ended",
        )
    else:
        yield ok("keys.file", f"{count} signing key{'' if count == 1 else 's'}")
    signing = secrets.keys[-1]
    for one in processes:
        if not one.accepts(signing):
            yield fail(
                "keys.processes",
                f"{one} does not accept the key {shown_id(signing).hex()[:8]} of this machine",
                "copy the secrets file to it and restart it: shoppers of one are refused by the "
                "other",
            )
    if processes and all(one.accepts(signing) for one in processes):
        yield ok("keys.processes", f"all {len(processes)} processes that run accept the key")


def check_addresses(settings: Settings, forwarders: Sequence[str]) -> Iterator[Finding]:
    """Compare the public address, the proxies that are trusted, and those that were seen."""
    url, public = urlsplit(settings.public_url), bool(settings.public_url)
    if settings.demo:
        yield warn("settings.demo", "this is a demonstration", "leave --demo out for a real sale")
    if not public:
        is_open = not is_this_machine(settings.host)
        yield graded(
            "settings.public_url",
            "public_url is not set, so links lead to " + settings.own_url,
            "set it to the address that shoppers know",
            fails=False,
            warns=is_open or not settings.demo,
        )
    else:
        yield graded(
            "settings.public_url",
            f"shoppers come to {settings.public_url}",
            "use https: without it tickets and sign-ins can be read on the way",
            fails=url.scheme == "http" and not is_this_machine(url.hostname or ""),
        )
    if forwarders:
        yield fail(
            "web.proxies",
            f"requests come through {', '.join(forwarders)}, which trusted_proxies does not name",
            "name it there: all shoppers behind it count as one address for every limit",
        )
    elif settings.secure and not settings.trusted_proxies:
        yield warn(
            "web.proxies",
            "public_url is https, which a proxy has to end, and trusted_proxies is empty",
            "name the proxy's address there, or all shoppers count as one",
        )
    else:
        trusted = ", ".join(settings.trusted_proxies) or "no proxy"
        yield ok("web.proxies", f"addresses of shoppers are taken from {trusted}")


def check_gateway(settings: Settings, secrets: Secrets | None) -> Finding:
    """Say whether shoppers can pay, and whether they are charged."""
    check = "outside.gateway"
    gateway = "test" if settings.demo and not settings.gateway else settings.gateway
    if not gateway:
        return fail(check, "no payment gateway is set", "set gateway: docs/integrate/payments.md")
    if gateway == "test":
        return graded(
            check,
            "the test gateway: nobody is charged, and every unit is given away",
            "set gateway to a real one before you sell",
            fails=False,
            warns=not settings.demo,
        )
    if secrets is None:
        return fail(check, "Stripe is set, and its keys cannot be read", "mend the secrets first")
    live = {
        "_live_" in settings.stripe_publishable_key,
        "_live_" in secrets.stripe_secret_key,
    }
    if len(live) == 2:
        return fail(
            check,
            "one of Stripe's keys is for tests and the other is not",
            "take both from the same mode of its dashboard",
        )
    if not secrets.stripe_webhook_secrets:
        return warn(
            check,
            "Stripe's webhooks are not verified, for there is no secret of theirs",
            "set stripe_webhook_secrets: late payments are found minutes later without it",
        )
    return graded(
        check,
        f"Stripe with keys for {'sales' if live == {True} else 'tests'}",
        "take the live keys before you sell",
        fails=False,
        warns=live == {False},
    )
