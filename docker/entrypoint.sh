#!/bin/sh
# Empties the metrics directory, starts the metrics server where METRICS_BIND asks for one, and
# becomes the given command, which therefore receives the container's signals itself.
set -eu

if [ -n "${PROMETHEUS_MULTIPROC_DIR:-}" ]; then
    mkdir -p "$PROMETHEUS_MULTIPROC_DIR"
    # A restarted container reuses process ids, and a reused id would reopen its old file.
    rm -f "$PROMETHEUS_MULTIPROC_DIR"/*.db
fi

if [ -n "${METRICS_BIND:-}" ]; then
    python "$(dirname "$0")/serve_metrics.py" "$METRICS_BIND" &
fi

exec "$@"
