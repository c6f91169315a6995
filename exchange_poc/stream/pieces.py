"""Puts events together in pieces, each made once for all streams that hear the same."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

from exchange_poc.stream.audience import Audience
from exchange_poc.stream.stream import Chunk, Stream
from kpi.stream.cursors import Cursor
from kpi.stream.frames import id_line
from kpi.stream.journal import Event


def pieces_for(
    audience: Audience, events: Sequence[Event], contents: Sequence[bytes], cursor: Cursor | None
) -> Iterator[tuple[Chunk, Sequence[Stream]]]:
    """Yield each piece, whose last event bears the cursor, with the streams that it is for.

    What is for everybody is gone through once for all whose accounts have nothing of their own.
    """
    told = [index for index, content in enumerate(contents) if content]
    whose_of = {index: events[index].account_id for index in told}
    own = {account_id for account_id in whose_of.values() if account_id is not None}
    shared = None in whose_of.values()
    alike: defaultdict[tuple[Any, ...], list[Stream]] = defaultdict(list)
    for stream in audience if shared else audience.of(own):
        whose = stream.scope.account_id if stream.scope.account_id in own else None
        alike[stream.scope.everybody, whose, tuple(stream.scope.channels)].append(stream)
    for (everybody, whose, channels), streams in alike.items():
        heard = [
            index
            for index in told
            if (everybody or whose_of[index] in (None, whose)) and events[index].channel in channels
        ]
        if heard:
            content = joined([contents[index] for index in heard], cursor)
            yield Chunk(content, len(heard), events[heard[0]].created_at), streams


def joined(contents: Sequence[bytes], cursor: Cursor | None) -> bytes:
    """Return events in one piece, the last of which says where to go on if a pass ends there."""
    if cursor is None:
        return b"".join(contents)
    if not contents:
        return id_line(cursor) + b"\n"
    return b"".join([*contents[:-1], id_line(cursor), contents[-1]])
