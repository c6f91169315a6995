"""Prometheus metrics of the stream server."""

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

open_streams = Gauge("stream_open_streams", "Streams that are open.", multiprocess_mode="livesum")
events_sent_total = Counter("stream_events_sent_total", "Events sent, each to each stream.")
lag_seconds = Histogram(
    "stream_lag_seconds",
    "Time from the writing of events, which their commit follows, until all who keep up have them.",
    buckets=(0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0),
)
closed_total = Counter("stream_closed_total", "Streams that ended, by why.", ["reason"])

#: Where nothing else ended a stream.
CLIENT_LEFT: Final = "client_left"
