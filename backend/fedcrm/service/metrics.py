"""Figures for Prometheus. No label carries an organisation, a record or a value."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

__all__ = ["Metrics"]


class Metrics:
    """One registry a service, so that two in one process do not mix."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.calls = Counter("fedcrm_calls", "Calls answered.", ("route", "status"), registry=self.registry)
        self.seconds = Histogram(
            "fedcrm_call_seconds",
            "Seconds from first to last byte of a call.",
            ("route",),
            buckets=(0.002, 0.005, 0.01, 0.02, 0.04, 0.08, 0.16, 0.5, 1, 5),
            registry=self.registry,
        )
        self.records = Counter("fedcrm_records", "Records by outcome.", ("outcome",), registry=self.registry)
        self.refused = Counter("fedcrm_refused_credentials", "Credentials refused.", registry=self.registry)
        self.alerts = Gauge("fedcrm_watch_alerts", "Alerts of the watch that stand.", registry=self.registry)
        self.models = Gauge("fedcrm_models_serving", "Models that serve.", registry=self.registry)

    def text(self) -> bytes:
        """Prometheus' text format."""
        return generate_latest(self.registry)
