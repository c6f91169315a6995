"""Brings a stream that goes on from a cursor as far as the others: reads for it alone, in pages."""

import asyncio
import time
from collections.abc import Sequence
from typing import Final

import structlog

from exchange_poc.stream.pieces import joined
from exchange_poc.stream.reading import Reading
from exchange_poc.stream.stream import Chunk, Stream
from kpi.stream.cursors import Cursor
from kpi.stream.frames import ALIVE, FORGOTTEN, frame, id_line
from kpi.stream.journal import Page, Scope, read_page
from kpi.stream.rendering import render

log = structlog.get_logger(__name__)

#: Before what failed is tried again.
AGAIN_SECONDS: Final = 0.5


async def catch_up(stream: Stream, reading: Reading, since: Cursor, target: Cursor) -> int:
    """Tell what is between two cursors, page by page; return how many pages there were."""
    pages, after, is_last = 0, 0, False
    while not is_last and not stream.is_over:
        try:
            page, contents = await reading.for_one(page_for, since, target, after, stream.scope)
        except Exception as error:
            await hold_out(stream, error)
            continue
        if page.is_forgotten:
            await stream.say(id_line(target) + frame("forgotten", FORGOTTEN))
            return pages
        pages, is_last = pages + 1, page.is_last
        after = page.events[-1].event_id if page.events else after
        content = joined(contents, target if is_last else None)
        await stream.send(Chunk(content, len(contents), time.time()))
    return pages


async def hold_out(stream: Stream, error: Exception) -> None:
    """Keep a stream open that could not be read for, until it is tried again."""
    log.warning("stream_reading_failed", error=repr(error)[:500])
    await stream.say(ALIVE + b"\n")
    await asyncio.sleep(AGAIN_SECONDS)


def page_for(
    since: Cursor, until: Cursor, after: int, scope: Scope
) -> tuple[Page, Sequence[bytes]]:
    """Return a page of what one may see, and what it says."""
    page = read_page(since, until, after, scope)
    return page, [content for content in render(page.events) if content]
