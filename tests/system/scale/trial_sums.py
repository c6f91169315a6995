"""What both tiers count together: limits hold over them, KPIs add them up."""

import itertools
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import requests

from kpi.requests.samples import NOT_API
from tests.system.faults.conftest import Population
from tests.system.faults.load import Load
from tests.system.scale.tiers import ScaledStack, WebTier
from tests.waiting import wait_for

LIMIT, THREADS = 100, 8
ORDER = {"symbol": "BTCUSDT", "side": "buy", "size": "0.001", "leverage": 5}


class Caller:
    """One key's calls to several tiers in turn."""

    def __init__(self, urls: Sequence[str], key: str) -> None:
        self.urls = itertools.cycle(urls)
        token = requests.post(f"{urls[0]}/auth/token", json={"api_key": key}, timeout=20).json()
        self.headers = {"Authorization": f"Bearer {token['access_token']}"}

    def get(self, path: str) -> requests.Response:
        return requests.get(f"{next(self.urls)}{path}", headers=self.headers, timeout=20)

    def order(self) -> requests.Response:
        address = f"{next(self.urls)}/orders"
        return requests.post(address, json=ORDER, headers=self.headers, timeout=20)


def at_once(call: Callable[[], requests.Response], times: int) -> Counter[int]:
    """Return how often each status came back from calls of many threads."""
    start = threading.Barrier(THREADS)

    def calls(_: int) -> list[int]:
        start.wait(20)
        return [call().status_code for _ in range(times // THREADS)]

    with ThreadPoolExecutor(THREADS) as pool:
        return Counter(itertools.chain.from_iterable(pool.map(calls, range(THREADS))))


def test_limits_are_exact_over_both_tiers(stack: ScaledStack, population: Population) -> None:
    rate = f"{LIMIT}/d"
    tiers = [WebTier(stack, f"limited{n}", API_RATE_LIMIT=rate) for n in (1, 2)]
    with stack.further(*tiers) as urls:
        caller = Caller(urls, "beginner-key")
        assert at_once(lambda: caller.get("/account/me"), 2 * LIMIT) == {200: LIMIT, 429: LIMIT}
    tiers = [WebTier(stack, f"ordered{n}", ORDER_RATE_LIMIT=rate) for n in (1, 2)]
    with stack.further(*tiers) as urls:
        caller = Caller(urls, "advanced-key")
        assert at_once(caller.order, 2 * LIMIT) == {200: LIMIT, 429: LIMIT}


def test_kpis_count_the_requests_of_both_tiers(stack: ScaledStack, population: Population) -> None:
    before = [counted(url) for url in stack.urls]
    load = Load(stack.rotation, population.keys, "sums")
    load.start()
    wait_for(lambda: len(load.acknowledged) >= 300, what="300 orders", seconds=60)
    load.finish()
    refused = [requests.get(f"{url}/account/me", timeout=20) for url in 3 * stack.urls]
    assert [answer.status_code for answer in refused] == [401] * 6
    risen = [counted(url) - first for url, first in zip(stack.urls, before, strict=True)]
    assert min(risen) > 100
    assert sum(risen) == len(load.sent) + len(load.clients) + len(refused)
    for url in stack.urls:
        caller = Caller([url], population.keys[0])
        wait_for(lambda caller=caller: adds_up(stack, caller), what=f"both tiers' sum at {url}")


def counted(url: str) -> int:
    """Return how many API calls a tier has answered, by its metrics."""
    return count(url, "api_requests_total")


def count(url: str, name: str) -> int:
    """Return the sum of a metric's samples, but for endpoints that are no API calls."""
    lines = requests.get(f"{url}/metrics", timeout=20).text.splitlines()
    samples = (line for line in lines if line.startswith(f"{name}{{"))
    api = (s for s in samples if not any(f'endpoint="{prefix}' in s for prefix in NOT_API))
    return int(sum(float(sample.rpartition(" ")[2]) for sample in api))


def adds_up(stack: ScaledStack, caller: Caller) -> bool:
    """Tell whether KPIs, which do not count their own request yet, are the sums of all tiers."""
    requests_before = sum(counted(url) for url in stack.urls)
    system, security = caller.get("/kpi/system").json(), caller.get("/kpi/security").json()
    failures = sum(count(url, "auth_failures_total") for url in stack.urls)
    found = (system["requests"], security["total_requests"], security["auth_failures"])
    return found == (requests_before, requests_before + 1, failures)
