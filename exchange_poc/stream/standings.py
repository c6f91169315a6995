"""Tells streams how near their accounts are to a close-out."""

import time

from exchange_poc.stream.audience import Audience
from exchange_poc.stream.reading import Reading
from exchange_poc.stream.stream import Chunk, Stream
from kpi.stream.frames import frame
from kpi.stream.margins import standings_of


class Standings:
    """Where the accounts of streams stand, as they were told: all when marks move, new ones else.

    ``untold`` are the streams that have joined since.
    """

    def __init__(self, audience: Audience, reading: Reading) -> None:
        self.audience = audience
        self.reading = reading
        self.untold: set[Stream] = set()

    async def tell(self, *, marks_moved: bool) -> None:
        """Tell whose margin ratio passed a level, or has not been told of yet."""
        asked = [*(self.audience if marks_moved else self.untold)]
        concerned = {
            stream: stream.scope.account_id
            for stream in asked
            if "account" in stream.scope.channels and stream.scope.account_id is not None
        }
        if concerned:
            standings = await self.reading.for_all(standings_of, {*concerned.values()})
            for stream, account_id in concerned.items():
                standing = standings.get(account_id)
                before, stream.standing = stream.standing, standing
                if standing and (before is None or before.level != standing.level):
                    stream.put(Chunk(frame("account", standing.data), 1, time.time()))
        self.untold.difference_update(asked)
