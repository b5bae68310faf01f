"""The live look of every room, in memory: what each page of a crowd wears."""

import asyncio
from dataclasses import dataclass

from inventory.kit.loops import repeat
from inventory.kit.pages import PLAIN_LOOK, Look, LookTexts
from waitroom.look.look import RoomLook
from waitroom.look.look_store import LookStore
from waitroom.look.sheet import Sheet, sheet_of

REFRESH_EVERY_S = 2.0
NO_SHEET = Sheet(text="", hash="")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Worn:
    chosen: RoomLook
    look: Look
    sheet: Sheet


class RoomLooks:
    """Keeps the live looks, read again every two seconds."""

    def __init__(self, store: LookStore) -> None:
        self._store = store
        self._worn: dict[str, _Worn] = {}

    def of(self, room: str) -> Look:
        """Return how a room looks to shoppers."""
        worn = self._worn.get(room)
        return worn.look if worn else PLAIN_LOOK

    def sheet(self, room: str) -> Sheet:
        """Return the room's stylesheet, which is empty for a room without colours of its own."""
        worn = self._worn.get(room)
        return worn.sheet if worn else NO_SHEET

    async def run(self, stopping: asyncio.Event) -> None:
        """Refresh until `stopping` is set."""
        await repeat("looks", self.refresh, stopping)

    async def refresh(self) -> float:
        """Read the live looks; return the seconds until the next time."""
        live = await self._store.live()
        self._worn = {room: self._wear(room, chosen) for room, chosen in live.items()}
        return REFRESH_EVERY_S

    def _wear(self, room: str, chosen: RoomLook) -> _Worn:
        kept = self._worn.get(room)
        if kept is not None and kept.chosen == chosen:
            return kept
        sheet = sheet_of(chosen)
        address = f"/rooms/{room}/look/{sheet.hash}.css" if sheet.hash else ""
        return _Worn(chosen=chosen, look=look_for_pages(chosen, sheet=address), sheet=sheet)


def look_for_pages(chosen: RoomLook, *, sheet: str) -> Look:
    """Return a look as pages get it, with the address of its stylesheet."""
    return Look(
        brand=chosen.brand,
        logo=chosen.logo,
        picture=chosen.picture,
        sheet=sheet,
        texts={
            tag: LookTexts(
                name=texts.name,
                intro=texts.intro,
                sold_out=texts.sold_out,
                ended=texts.ended,
                help=texts.help,
            )
            for tag, texts in chosen.texts.items()
        },
    )
