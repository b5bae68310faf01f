"""The secrets file: made once, and rewritten as a whole with each change of its keys."""

import os
import secrets
from pathlib import Path

import msgspec

from waitroom.run.settings import KEY_BYTES, Secrets, SettingsError, read_secrets


def generate_secrets(path: Path) -> Secrets:
    """Make the secrets file (mode 0600) with one key.

    Raises `SettingsError` when the file exists: a new key alone would make every ticket that was
    handed out worthless.
    """
    if path.exists():
        raise SettingsError(f"{path} exists; `waitroom keygen --rotate` adds a key to it")
    return _written(path, Secrets(signing_keys=[secrets.token_hex(KEY_BYTES)]))


def add_coming_key(path: Path) -> Secrets:
    """Add a key that is accepted and does not sign yet; one that is coming already stays."""
    held = read_secrets(path)
    if held.coming_key:
        return held
    coming = secrets.token_hex(KEY_BYTES)
    return _written(path, msgspec.structs.replace(held, coming_key=coming))


def let_coming_key_sign(path: Path) -> Secrets:
    """Let the coming key sign from now on; the older keys stay accepted."""
    held = read_secrets(path)
    assert held.coming_key, "a key was added before"
    keys = [*held.signing_keys, held.coming_key]
    return _written(path, msgspec.structs.replace(held, signing_keys=keys, coming_key=""))


def retire_oldest_key(path: Path) -> Secrets:
    """Drop the oldest key, which must not be the one that signs.

    The first key that the service had is kept apart. It signs the public log, and no right.
    """
    held = read_secrets(path)
    oldest, *keys = held.signing_keys
    assert keys, "the last key signs"
    kept = held.first_key or oldest
    return _written(path, msgspec.structs.replace(held, signing_keys=keys, first_key=kept))


def _written(path: Path, made: Secrets) -> Secrets:
    """Replace the file in one step, so that a reader never sees half of it."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = path.with_suffix(".new")
    lines = "".join(f'    "{key}",\n' for key in made.signing_keys)
    text = f"# Oldest first; the last one signs.\nsigning_keys = [\n{lines}]\n"
    others = {k: v for k, v in msgspec.to_builtins(made).items() if k != "signing_keys" and v}
    # A string of JSON is one of TOML too.
    text += "".join(f"{k} = {msgspec.json.encode(v).decode()}\n" for k, v in others.items())
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
    fresh.replace(path)
    return made
