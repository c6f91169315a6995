"""Reads the process metrics, summed over all processes that share the metrics directory."""

import os
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from prometheus_client import REGISTRY, CollectorRegistry
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.samples import Sample

Samples = Mapping[str, Sequence[Sample]]

#: Endpoints that are no API calls: probes, documents, the staff console.
NOT_API: Final = ("/metrics", "/health", "/schema", "/docs", "/static/", "/admin/")


def process_registry() -> CollectorRegistry:
    """Return the registry of all processes; without a shared directory, that of this one."""
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return REGISTRY
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return registry


def read_samples() -> Samples:
    """Return the present samples by name, such as ``api_requests_total``."""
    return by_name(process_registry().collect())


def by_name(families: Iterable[Metric]) -> Samples:
    """Return the samples of metrics by the samples' names."""
    samples: dict[str, list[Sample]] = defaultdict(list)
    for family in families:
        for sample in family.samples:
            samples[sample.name].append(sample)
    return samples


def api_samples(samples: Samples, name: str) -> list[Sample]:
    """Return the samples of a request metric that are API calls."""
    return [s for s in samples.get(name, ()) if not s.labels["endpoint"].startswith(NOT_API)]


def total(samples: Iterable[Sample]) -> float:
    return sum(sample.value for sample in samples)
