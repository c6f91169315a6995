"""Clients of a real server that stop to read, and what they cost others."""

import signal

import psutil
import pytest
from django.db import connection

from tests.system.stream.client import Reader
from tests.system.stream.conftest import Listen, Start, key_of
from tests.trading.conftest import Trader

pytestmark = pytest.mark.django_db(transaction=True)

#: A megabyte of events for everybody.
HALTS = """
INSERT INTO kpi_streamevent (channel, detail)
SELECT 'halts', jsonb_build_object('n', n, 'filler', repeat('x', 10000))
FROM generate_series(1, 100) AS n
"""
MANY = 20
#: What a process may grow by, in bytes, beside a reader that leaves 20 MB.
GROWTH = 12_000_000


def tell(reader: Reader) -> None:
    """Have events told, and read them all."""
    with connection.cursor() as cursor:
        cursor.execute(HALTS)
    reader.until("halt", n=100)


def test_who_reads_too_slowly_is_cut_off_told_so_and_not_kept_in_memory(
    stream_server: Start, listen: Listen, trader: Trader
) -> None:
    process, address = stream_server()
    _, token = key_of(trader())
    quick = listen(address, token, channels="halts")
    [server] = psutil.Process(process.pid).children()
    for _ in range(MANY // 2):
        tell(quick)
    before = server.memory_info().rss
    deaf = listen(address, token, channels="halts")
    for _ in range(MANY):
        tell(quick)
    assert server.memory_info().rss - before < GROWTH
    deaf.close()

    slow = listen(address, token, channels="halts")
    for _ in range(12):
        tell(quick)
    assert slow.until("closed")["code"] == "slow_reader"
    assert slow.response.read() == b""
    again = listen(address, token, slow.cursor, channels="halts")
    again.until("halt", n=100)
    again.close()  # a stop would wait for what it leaves

    process.send_signal(signal.SIGTERM)
    _, log = process.communicate(timeout=60)
    assert log.count('"reason": "slow_reader"') == 2
