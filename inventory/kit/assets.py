"""Styles and scripts, packed once and kept at hand: what every page of a crowd asks for."""

import gzip
from collections.abc import Collection
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from aiohttp import web
from multidict import CIMultiDict

from inventory.kit.bundle import bundle_of
from inventory.kit.doors.accept import takes_gzip
from inventory.kit.doors.etags import has_seen
from inventory.kit.limits.classes import FILES, limited_as
from inventory.kit.problem import NotFound

KEPT_S = 60
_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".txt": "text/plain; charset=utf-8",
    ".ico": "image/vnd.microsoft.icon",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asset:
    """A file as it was at `changed_ns`, with the files that it brings along."""

    changed_ns: int
    parts: tuple[Path, ...]
    body: bytes
    packed: bytes
    headers: CIMultiDict[str]


class Assets:
    """Serves the files of one folder under an address, all of them or those with these names.

    The scripts in `bundled` bring along what they import.
    """

    def __init__(
        self,
        folder: Path,
        *,
        at: str,
        names: str = r"[a-z0-9-]+\.[a-z]+",
        bundled: Collection[str] = (),
    ) -> None:
        self._folder = folder
        self._at = at
        self._names = names
        self._bundled = frozenset(bundled)
        self._kept: dict[str, _Asset] = {}

    def routes(self) -> list[web.RouteDef]:
        return [web.get(f"{self._at}/{{name:{self._names}}}", self.serve)]

    @limited_as(FILES)
    async def serve(self, request: web.Request) -> web.Response:
        asset = self._asset(request.match_info["name"])
        if has_seen(request.headers.getall("If-None-Match", ()), asset.headers["ETag"]):
            return web.Response(status=304, headers=asset.headers)
        response = web.Response(body=asset.body, headers=asset.headers)
        if takes_gzip(",".join(request.headers.getall("Accept-Encoding", ()))):
            response.body = asset.packed
            response.headers["Content-Encoding"] = "gzip"
        return response

    def _asset(self, name: str) -> _Asset:
        path = self._folder / name
        kept = self._kept.get(name)
        try:
            parts = kept.parts if kept else (path,)
            changed_ns = max(part.stat().st_mtime_ns for part in parts)
            if kept is None or kept.changed_ns != changed_ns:
                kept = self._kept[name] = _read(path, bundled=name in self._bundled)
        except (OSError, KeyError) as error:
            raise NotFound from error
        return kept


def _read(path: Path, *, bundled: bool) -> _Asset:
    """Read a file; raises `KeyError` for one of a kind that is not served."""
    kind = _TYPES[path.suffix]
    if bundled:
        bundle = bundle_of(path)
        body, parts = bundle.text.encode(), bundle.parts
    else:
        body, parts = path.read_bytes(), (path,)
    headers = CIMultiDict(
        {
            "Content-Type": kind,
            "Cache-Control": f"public, max-age={KEPT_S}",
            "ETag": f'"{sha256(body).hexdigest()[:16]}"',
            "Vary": "Accept-Encoding",
        }
    )
    return _Asset(
        changed_ns=max(part.stat().st_mtime_ns for part in parts),
        parts=parts,
        body=body,
        packed=gzip.compress(body),
        headers=headers,
    )
