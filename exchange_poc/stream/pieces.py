"""Puts events together in pieces, each made once for all streams that hear the same."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from exchange_poc.stream.audience import Audience
from exchange_poc.stream.stream import Chunk, Stream
from kpi.stream.cursors import Cursor
from kpi.stream.frames import id_line
from kpi.stream.journal import Event


def pieces_for(
    audience: Audience, events: Sequence[Event], contents: Sequence[bytes], cursor: Cursor | None
) -> Iterator[tuple[Stream, Chunk]]:
    """Yield for each stream what is for it in one chunk, whose last event bears the cursor."""
    parts: defaultdict[Stream, list[int]] = defaultdict(list)
    for index, (event, content) in enumerate(zip(events, contents, strict=True)):
        for stream in audience.listeners(event) if content else ():
            parts[stream].append(index)
    chunks: dict[tuple[int, ...], Chunk] = {}
    for stream, indexes in parts.items():
        key = tuple(indexes)
        if key not in chunks:
            content = joined([contents[index] for index in indexes], cursor)
            chunks[key] = Chunk(content, len(indexes), events[indexes[0]].created_at)
        yield stream, chunks[key]


def joined(contents: Sequence[bytes], cursor: Cursor | None) -> bytes:
    """Return events in one piece, the last of which says where to go on if a pass ends there."""
    if cursor is None:
        return b"".join(contents)
    if not contents:
        return id_line(cursor) + b"\n"
    return b"".join([*contents[:-1], id_line(cursor), contents[-1]])
