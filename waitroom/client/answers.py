"""The answers of the service as its callers read them. Pure.

Fields that no caller of this client needs are left out, and msgspec ignores them.
"""

from typing import Any

import msgspec


class FileChange(msgspec.Struct, frozen=True, kw_only=True, rename={"was": "from", "now": "to"}):
    """One key of a room's file whose value differs, such as `lanes.press`.

    `was` is missing for what there was not before.
    """

    key: str
    was: Any | msgspec.UnsetType = msgspec.UNSET
    now: Any


class AppliedFile(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of applying a room's file: whether the room was made, and every change.

    With `dry_run` nothing was changed.
    """

    room: str
    created: bool
    dry_run: bool
    changes: list[FileChange]
