"""GET /metrics, for Prometheus: counters and histograms, and the state of model, queue and memory."""

from collections.abc import Iterator
from dataclasses import asdict
from itertools import accumulate
from typing import TYPE_CHECKING

from flask import Blueprint, Response, request

from function.errors import Unavailable
from function.lifecycle.service import Service
from function.lifecycle.status import STARTING_STATES
from function.observability.metrics import KINDS
from function.system.limits import memory_limit, memory_used

if TYPE_CHECKING:
    from prometheus_client import Metric


def blueprint(service: Service) -> Blueprint:
    """Return the route, over one service. It needs the key."""
    routes = Blueprint("metrics", __name__)

    @routes.get("/metrics")
    def metrics() -> Response:
        state = service.status().state
        if state in STARTING_STATES:  # the library's import would delay the first token
            raise Unavailable(f"No metrics before the model is loaded: {state}.")
        from prometheus_client import CollectorRegistry
        from prometheus_client.exposition import choose_encoder

        registry = CollectorRegistry(auto_describe=False)
        registry.register(_Collector(service))
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        return Response(encode(registry), content_type=content_type, headers={"Cache-Control": "no-store"})

    return routes


class _Collector:
    """Collector of prometheus_client: its metrics are read at each scrape."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def collect(self) -> "Iterator[Metric]":
        yield from self._recorded()
        yield from self._gauges()

    def _recorded(self) -> "Iterator[Metric]":
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

    def _gauges(self) -> "Iterator[Metric]":
        from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily

        service = self._service
        requests = len(service.runner.queue)
        provenance = {key: value or "" for key, value in asdict(service.provenance).items()}
        yield GaugeMetricFamily("chat_ready", "1 when a token could be produced", service.status().state == "ready")
        yield GaugeMetricFamily("chat_running", "Requests that have the model", min(requests, 1))
        yield GaugeMetricFamily("chat_queue", "Requests that wait for the model", max(requests - 1, 0))
        yield GaugeMetricFamily("chat_queue_limit", "Requests that may wait", service.settings.queue_size)
        memory = GaugeMetricFamily("chat_memory_bytes", "Memory of the container, and its limit", labels=["kind"])
        for kind, size in (("used", memory_used()), ("limit", memory_limit())):
            if size is not None:
                memory.add_metric([kind], size)
        yield memory
        if (loaded := service.loaded) is not None:
            yield GaugeMetricFamily("chat_model_bytes", "Size of the model file", loaded.fetched.size)
        yield InfoMetricFamily("chat_model", "Model, llama.cpp build and CPU of the replies", provenance)
