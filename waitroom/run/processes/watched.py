"""The secrets file as a supervisor watches it: its processes take up a change by themselves."""

import os

import structlog

from waitroom.run.settings import Settings, SettingsError, load_secrets

log = structlog.get_logger()


class WatchedSecrets:
    """Says once when the secrets file has changed and can be used.

    A file that cannot be used is logged and otherwise left alone: processes that run keep what they
    have read, while new ones could not start. Where the signing keys come from the environment no
    process reads the file.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._is_read = not os.environ.get("WAITROOM_SIGNING_KEYS")
        self._seen = self._look()

    def _look(self) -> tuple[int, int, int] | None:
        """Return values that differ after each change, None for a file that is not there."""
        try:
            found = self._settings.secrets_path.stat()
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns, found.st_size

    def changed(self) -> bool:
        """Look at the file once; return whether processes should read it again."""
        if not self._is_read or (found := self._look()) == self._seen:
            return False
        self._seen = found
        try:
            load_secrets(self._settings)
        except SettingsError as error:
            log.error("secrets_unusable", error=str(error))  # noqa: TRY400 - it says all in a line
            return False
        log.info("secrets_changed")
        return True
