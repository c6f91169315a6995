"""Prometheus metrics of API governance: refused credentials, rate limits, Redis outages.

A label set that is made here exists from the start, so that a metric can be read before its first
event.
"""

from prometheus_client import Counter

auth_failures_total = Counter(
    "auth_failures_total", "Requests answered with 401, by the code of the answer.", ["code"]
)
for code in ("invalid_api_key", "key_expired", "not_authenticated", "token_not_valid"):
    auth_failures_total.labels(code=code)

rate_limit_hits_total = Counter(
    "rate_limit_hits_total", "Requests answered with 429, by the limit they hit.", ["scope"]
)
for scope in ("api", "orders", "token"):
    rate_limit_hits_total.labels(scope=scope)

cache_outages_total = Counter(
    "cache_outages_total",
    "Requests that passed a rate limit uncounted because Redis did not answer.",
)
