"""Security events of commands, which belong to no network."""

from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import Any, TypeVar

from inventory.kit.database import Pool
from waitroom.admin.accounts.events import EventStore, Kind, NewEvent

Result = TypeVar("Result")


def noting(
    act: Callable[[Pool], Coroutine[Any, Any, Result]], kind: Kind, **detail: object
) -> Callable[[Pool], Coroutine[Any, Any, Result]]:
    """Return an act that is noted once it is done, unless it says that nothing has changed."""

    async def noted(pool: Pool) -> Result:
        result = await act(pool)
        if result is not False:
            values = {name: value for name, value in detail.items() if value is not None}
            await EventStore(pool).add(
                NewEvent(kind=kind, who="cli", detail=values, at=datetime.now(UTC))
            )
        return result

    return noted
