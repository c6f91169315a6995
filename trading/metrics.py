"""Prometheus metrics of the order path; the ones that must survive a restart are in kpi."""

from prometheus_client import Counter, Histogram

from trading.models import Order

orders_total = Counter(
    "orders_total",
    "Orders by their first answer and, for refused ones, its code.",
    ["result", "code"],
)
order_latency_seconds = Histogram(
    "order_latency_seconds",
    "Time from an order's arrival in the service to its commit.",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
)
order_group_size = Histogram(
    "order_group_size",
    "Requests that the order desk books in one transaction.",
    buckets=(1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 64),
)
order_group_wait_seconds = Histogram(
    "order_group_wait_seconds",
    "Time that a request waits at the order desk until its group begins.",
    buckets=(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
)
order_groups_taken_apart_total = Counter(
    "order_groups_taken_apart_total",
    "Groups of the order desk that failed and were booked one by one.",
)
market_steps_total = Counter("market_steps_total", "Finished market steps.")
market_step_seconds = Histogram(
    "market_step_seconds",
    "Time of one market step: prices, fills and close-outs.",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)


def count_order(order: Order) -> None:
    """Count a placed order under its first answer."""
    orders_total.labels(result=order.status, code=order.reject_code).inc()
