"""Lines → orders, and how long they and the pauses after them last."""

from __future__ import annotations

from dataclasses import replace
from itertools import chain

from fastapi import Request

from sokuon.engine import given_sentences
from sokuon.server.catalogue import Choice
from sokuon.server.service import Service
from sokuon.server.speech import Gone, Order
from sokuon.server.studio.models import Line
from sokuon.speaking import Lengths


def choice_of(service: Service, line: Line) -> Choice:
    """Who speaks a line. Raises UnknownVoiceError."""
    return service.catalogue.by_name(line.voice) if line.voice else service.catalogue.default


def order_of(service: Service, line: Line, request: Request) -> Order:
    """A line as an order. Raises UnknownVoiceError, RequestError."""
    text = service.checked_text(line.text, "text", may_be_empty=True)
    order = service.order(request, "studio", choice_of(service, line), text, line.options())
    order = replace(order, precision=line.precision)
    sentences = given_sentences(service.speech.front_end.sentences(text), order.options)
    return order if line.phrases is None else replace(order, text=sentences)


async def lengths_of(
    service: Service, line: Line, request: Request, then: str = "", gone: Gone | None = None
) -> list[Lengths]:
    """Lengths of each sentence of a line, as if `then` were to follow. Raises SokuonError."""
    order = order_of(service, line, request)
    sentences = service.speech.front_end.sentences
    own = given_sentences(sentences(line.text), order.options)
    order = replace(order, text=chain(own, sentences(then) if then else ()))
    return await service.speech.lengths(order, gone)


async def pause_after(service: Service, line: Line, request: Request) -> float:
    """Seconds of silence wanted after a line: what it says itself, else as the voice would pause before the next."""
    if line.pause is not None:
        return line.pause
    if not line.next:
        return 0.0
    own = sum(1 for _ in service.speech.front_end.sentences(line.text))
    pauses = [lengths.pause_s for lengths in (await lengths_of(service, line, request, line.next))[:own]]
    return (pauses[-1] or 0.0) if pauses else 0.0
