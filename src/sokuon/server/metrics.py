"""What the server did: a line in the log for each request that spoke, and figures for Prometheus. Never its text."""

from __future__ import annotations

import logging
import time

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

from sokuon.server.catalogue import Catalogue
from sokuon.server.scheduler import Scheduler
from sokuon.server.speech import Listening, Order

_log = logging.getLogger("sokuon.server.speech")
_SECONDS = (0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0)


class Metrics:
    """Figures of one server, in a registry of its own."""

    def __init__(self, log_text: bool = False) -> None:
        self._log_text = log_text
        self._registry = r = CollectorRegistry()
        ProcessCollector(registry=r)
        self._requests = Counter("sokuon_speech_requests", "Requests that spoke", ["api", "outcome"], registry=r)
        self._characters = Counter("sokuon_characters", "Characters asked for", ["api"], registry=r)
        self._sound = Counter("sokuon_sound_seconds", "Seconds of sound made", ["api"], registry=r)
        self._first = Histogram(
            "sokuon_first_sound_seconds", "Until the first sound", ["api"], buckets=_SECONDS, registry=r
        )
        self._total = Histogram("sokuon_request_seconds", "Until the last sound", ["api"], buckets=_SECONDS, registry=r)
        self._load = Gauge("sokuon_requests_under_way", "Requests waiting or running", registry=r)
        self._voices = Gauge("sokuon_voices_loaded", "Voices in memory", registry=r)

    def watch(self, scheduler: Scheduler, catalogue: Catalogue) -> None:
        """Show what is so at the moment somebody looks."""
        self._load.set_function(lambda: scheduler.load)
        self._voices.set_function(lambda: len(catalogue.loaded))

    def note(self, order: Order, listening: Listening) -> None:
        """A request has ended."""
        total = time.monotonic() - listening.began
        self._requests.labels(order.api, listening.outcome).inc()
        self._characters.labels(order.api).inc(order.characters)
        self._sound.labels(order.api).inc(listening.sound_s)
        self._total.labels(order.api).observe(total)
        if listening.first_s is not None:
            self._first.labels(order.api).observe(listening.first_s)
        _log.info(
            "id=%s api=%s voice=%s characters=%d sound_s=%.2f first_s=%.3f total_s=%.3f outcome=%s",
            order.id, order.api, order.choice.name.replace(" ", "_"), order.characters, listening.sound_s,
            listening.first_s or 0.0, total, listening.outcome,
        )  # fmt: skip
        if self._log_text and isinstance(order.text, str):
            _log.debug("id=%s text=%r", order.id, order.text)

    def page(self) -> bytes:
        """The figures in Prometheus' text format."""
        return generate_latest(self._registry)
