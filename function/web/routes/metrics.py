"""GET /metrics, for Prometheus: the process's numbers, and where the model, queue and memory are now."""

from collections.abc import Iterator
from dataclasses import asdict
from itertools import accumulate
from typing import TYPE_CHECKING

from flask import Blueprint, Response, request

from function.errors import Unavailable
from function.lifecycle.service import Service
from function.observability.metrics import KINDS
from function.system.limits import memory_limit, memory_used

if TYPE_CHECKING:
    from prometheus_client import Metric

COMING = ("starting", "fetching", "loading")


def blueprint(service: Service) -> Blueprint:
    """The route, over one service. It is guarded like what reaches the model."""
    routes = Blueprint("metrics", __name__)

    @routes.get("/metrics")
    def metrics() -> Response:
        state = service.status().state
        if state in COMING:  # the library's import would take its time from the first token's
            raise Unavailable(f"The metrics are here once the model is: {state}.")
        from prometheus_client import CollectorRegistry
        from prometheus_client.exposition import choose_encoder

        registry = CollectorRegistry(auto_describe=False)
        registry.register(_Collector(service))
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        return Response(encode(registry), content_type=content_type, headers={"Cache-Control": "no-store"})

    return routes


class _Collector:
    """What prometheus_client calls a collector: asked anew for each scrape."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def collect(self) -> "Iterator[Metric]":
        yield from self._kept()
        yield from self._now()

    def _kept(self) -> "Iterator[Metric]":
        from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily

        counters, histograms = self._service.metrics.read()
        for name, kind in KINDS.items():
            if not kind.bounds:
                counter = CounterMetricFamily(name, kind.meaning, labels=kind.labels)
                for (given, labels), value in counters.items():
                    if given == name:
                        counter.add_metric([text for _, text in labels], value)
                yield counter
                continue
            family = HistogramMetricFamily(name, kind.meaning, labels=kind.labels)
            ends = [*(f"{bound:g}" for bound in kind.bounds), "+Inf"]
            for (given, labels), histogram in histograms.items():
                if given == name:
                    buckets = list(zip(ends, accumulate(histogram.counts), strict=True))
                    family.add_metric([text for _, text in labels], buckets, histogram.total)
            yield family

    def _now(self) -> "Iterator[Metric]":
        from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily

        service = self._service
        waiting, made = (
            len(service.runner.queue),
            {key: value or "" for key, value in asdict(service.provenance).items()},
        )
        yield GaugeMetricFamily("chat_ready", "1 when a token could be produced", service.status().state == "ready")
        yield GaugeMetricFamily("chat_running", "Requests that have the model", min(waiting, 1))
        yield GaugeMetricFamily("chat_queue", "Requests that wait for the model", max(waiting - 1, 0))
        yield GaugeMetricFamily("chat_queue_limit", "How many may wait", service.settings.queue_size)
        memory = GaugeMetricFamily("chat_memory_bytes", "Memory: of the container, and its limit", labels=["kind"])
        for kind, size in (("used", memory_used()), ("limit", memory_limit())):
            if size is not None:
                memory.add_metric([kind], size)
        yield memory
        if (loaded := service.loaded) is not None:
            yield GaugeMetricFamily("chat_model_bytes", "The model's file in the cache", loaded.fetched.size)
        yield InfoMetricFamily("chat_model", "The model, llama.cpp and the CPU that replies are made with", made)
