"""Where the counters come from: this machine's processes, or the web servers of other containers.

Read before a transaction begins: a web server may take seconds to answer.
"""

import os
import socket
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import structlog
from django.conf import settings
from prometheus_client.parser import text_string_to_metric_families
from requests import RequestException

from kpi.history.counters import SINCE, Counters, counters_of, place_of, source_name
from kpi.models import KpiReading
from kpi.requests.samples import Samples, by_name, read_samples
from market.kernel.whole_answers import whole_answer_session

log = structlog.get_logger(__name__)

#: Web servers that are asked at once.
MOST_AT_ONCE: Final = 16
#: Seconds to connect, and for the whole answer.
TIMEOUTS: Final = (1, 4)


def read_counters() -> dict[str, dict[str, float]]:
    """Return the counters of each source as they stand, by its name.

    A web server that does not answer is left out: its next answer covers the time until then.
    """
    found = read_servers() if settings.KPI_METRICS_URLS else {this_place(): read_samples()}
    counted = {place: counters_of(samples) for place, samples in found.items()}
    return {source_name(place, counters): counters for place, counters in counted.items()}


def read_servers() -> dict[str, Samples]:
    """Return the samples of each web server that answers; all are asked at once."""
    urls = settings.KPI_METRICS_URLS
    with ThreadPoolExecutor(max_workers=MOST_AT_ONCE) as pool:
        answers = zip(urls, pool.map(scrape, urls), strict=True)
        return {url: samples for url, samples in answers if samples is not None}


def this_place() -> str:
    """Return where the processes that share this one's counters are: host and directory."""
    directory = os.environ.get("PROMETHEUS_MULTIPROC_DIR", f"process {os.getpid()}")
    return f"{socket.gethostname()}:{directory}"


def read_local_counters() -> dict[str, dict[str, float]]:
    """Return the counters that can be read at once; none where web servers are asked for them."""
    return {} if settings.KPI_METRICS_URLS else read_counters()


def counted_elsewhere(own: Counters) -> list[Counters]:
    """Return the counters of the other web servers as the last snapshot found them.

    Each with its newest; this one, whose counters are ``own``, knows itself by when they began.
    """
    if not settings.KPI_METRICS_URLS:
        return []
    found = KpiReading.objects.get(id=1).counters
    oldest_first = sorted(found.items(), key=lambda source: source[1][SINCE])
    newest = {place_of(source): counters for source, counters in oldest_first}
    servers = (newest[url] for url in settings.KPI_METRICS_URLS if url in newest)
    return [counters for counters in servers if counters[SINCE] != own[SINCE]]


def scrape(url: str) -> Samples | None:
    """Return the samples of a web server; None, and a warning in the log, if it has none."""
    try:
        # The header keeps a server that insists on HTTPS from sending this request elsewhere.
        with whole_answer_session() as session:
            answer = session.get(
                url,
                headers={"X-Forwarded-Proto": "https"},
                timeout=TIMEOUTS,
                allow_redirects=False,
            )
        answer.raise_for_status()
        return by_name(text_string_to_metric_families(answer.text))
    except (RequestException, ValueError) as error:
        log.warning("metrics_not_read", url=url, reason=type(error).__name__)
        return None
