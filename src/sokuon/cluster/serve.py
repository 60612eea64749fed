"""Ray Serve: the server of `sokuon serve` in replicas, on as many machines as there are.

    serve run sokuon.cluster.serve:app
    serve run sokuon.cluster.serve:build config=settings.toml max_replicas=64

Settings are those of `sokuon serve`: TOML file and SOKUON_… variables. Of host, port, key, origins and the like the
port belongs to Serve's proxy; the rest holds in each replica. A replica has its own queue and computes with `threads`;
replies stream as they do from `sokuon serve`. An update replaces one replica after the other, each of which ends the
requests that it has. What clients store lies in `data`, which replicas share: presets and
words of the dictionary count in all of them from the next request on.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fastapi import FastAPI
from ray import serve

from sokuon.errors import OptionError
from sokuon.networks.threads import thread_count
from sokuon.server.app import STOP_S, create_app
from sokuon.server.run import keep_memory_together, make_service, read_settings
from sokuon.server.settings import Settings
from sokuon.text.dictionary import UserDictionary
from sokuon.voices.sources import resolve

NAME = "Sokuon"
_ONGOING = 4  # requests of a replica on average, above which there are more of them: each still hears no gap
_ARGUMENTS = ("config", "dictionary", "min_replicas", "max_replicas", "target_ongoing_requests", "threads")


def build(arguments: dict[str, str]) -> Any:
    """The application; `arguments` as `serve run` gives them. Raises OptionError.

    config, dictionary: files; min_replicas (1), max_replicas (16), target_ongoing_requests (4), threads of a replica.
    """
    unknown = sorted(set(arguments) - set(_ARGUMENTS))
    if unknown:
        raise OptionError(f"there is no argument {unknown[0]!r}; there are {', '.join(_ARGUMENTS)}.")
    config, dictionary = arguments.get("config"), arguments.get("dictionary")
    settings = read_settings(Path(config) if config else None, {"threads": _whole(arguments, "threads", None)})
    threads = settings.threads or thread_count(None)

    def application() -> FastAPI:
        keep_memory_together()
        return _application(settings, Path(dictionary) if dictionary else None)

    deployment = serve.deployment(
        name=NAME,
        max_ongoing_requests=settings.queue,
        ray_actor_options={"num_cpus": threads},
        graceful_shutdown_timeout_s=STOP_S,
        autoscaling_config={
            "min_replicas": _whole(arguments, "min_replicas", 1),
            "max_replicas": _whole(arguments, "max_replicas", 16),
            "target_ongoing_requests": _whole(arguments, "target_ongoing_requests", _ONGOING),
        },
    )
    return deployment(serve.ingress(application)()).bind()


def _application(settings: Settings, dictionary: Path | None) -> FastAPI:
    """The server of one replica."""
    places = [resolve(place) for place in settings.places]
    bert = None if settings.bert is None else resolve(settings.bert, kind="bert")
    if dictionary is None and settings.data is not None:
        dictionary = settings.data / "dictionary.json"
    return create_app(make_service(places, bert, settings, UserDictionary(dictionary, follow=True)))


def _whole(arguments: dict[str, str], name: str, usual: int | None) -> int | None:
    value = arguments.get(name)
    if value is None:
        return usual
    if not (str(value).isascii() and str(value).isdecimal() and int(value) > 0):
        raise OptionError(f"{name} is {value!r}; it must be a whole number from 1 up.")
    return int(value)


def __getattr__(name: str) -> Any:
    """`app`: built when it is asked for, as the arguments of `build` need not be the usual ones."""
    if name == "app":
        return build({})
    raise AttributeError(name)
