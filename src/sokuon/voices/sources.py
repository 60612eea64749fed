"""From the name of a voice or BERT to files on this machine."""

from __future__ import annotations

import errno
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from sokuon.errors import DownloadError, VoiceError, VoiceNotFoundError, shown
from sokuon.voices.fetch import listing, store
from sokuon.voices.fetch.address import FORMS, Address, parse
from sokuon.voices.fetch.listing import Choice, RemoteFile
from sokuon.voices.fetch.places import Contents, Place, open_place
from sokuon.voices.fetch.watch import SILENT, Watch, offline

Kind = Literal["voice", "bert"]

_MOST_LOCAL_FILES = 20_000


@dataclass(frozen=True)
class Request:
    """What is wanted: `name` is a path or address, `model` one of several voices there; `refresh` asks for news."""

    name: str | Path
    model: str | None = None
    kind: Kind = "voice"
    refresh: bool = False


def resolve(name: str | Path, model: str | None = None, kind: Kind = "voice", watch: Watch = SILENT) -> Path:
    """The folder or file of a voice or BERT, fetched first if `name` is an address that was not fetched before.

    Forms of `name`: hf://user/repo[@revision][/folder], s3://bucket/prefix, https://…, aivis://UUID, file:///path, a
    path. Where a place holds several voices, `model` is the name of one. Raises OptionError, VoiceNotFoundError,
    DownloadError, MissingExtraError.
    """
    return find(Request(name, model, kind), watch)


def resolve_either(name: str | Path, model: str | None = None, watch: Watch = SILENT) -> tuple[Path, Kind]:
    """`resolve` for a name that may be a voice's or a BERT's, and which it is."""
    place = parse(name)
    if isinstance(place, Path):
        bert = _can_exist(place) and (place / "vocab.txt").is_file()
        kind: Kind = "bert" if bert else "voice"
        return resolve(place, model, kind, watch), kind
    try:
        return resolve(name, model, "voice", watch), "voice"
    except VoiceNotFoundError:  # nothing was fetched but the list
        return resolve(name, None, "bert", watch), "bert"


def kind_of(request: Request, watch: Watch = SILENT) -> Request:
    """The request for a BERT where its address holds one and no voice; only lists are fetched."""
    place = parse(request.name)
    if isinstance(place, Path) or request.kind == "bert" or offline():
        return request
    contents = open_place(place).contents(watch)
    try:
        _choose(contents.files, contents.main or place.inside, request, str(place))
    except VoiceNotFoundError as error:
        try:
            listing.choose_bert(contents.files, place.inside, str(place))
        except VoiceNotFoundError:
            raise error from None
        return replace(request, kind="bert")
    return request


def find(request: Request, watch: Watch = SILENT) -> Path:
    """`resolve`, with all that can be asked for."""
    place = parse(request.name)
    if isinstance(place, Path):
        return _local(place, request)
    home = store.home_of(str(place), request.kind, request.model)
    if not request.refresh and (kept := _kept(home)):
        return kept
    if offline():
        return _without_network(place, home, request)
    with store.alone(home):
        if not request.refresh and (kept := _kept(home)):  # another process was quicker
            return kept
        return _fetch(place, home, request, watch)


def has_news(record: store.Record, watch: Watch = SILENT) -> bool:
    """True if the place of a fetched source now holds other files than were fetched; only its list is asked for.

    Raises DownloadError, VoiceNotFoundError, MissingExtraError.
    """
    address = parse(record.address)
    if isinstance(address, Path):
        return False
    if offline():
        raise DownloadError("to look for updates needs the network; unset SOKUON_OFFLINE and HF_HUB_OFFLINE.")
    contents = open_place(address).contents(watch)
    if contents.revision == record.revision:
        return False
    request = Request(record.address, record.model, "bert" if record.kind == "bert" else "voice")
    choice = _choose(contents.files, contents.main or address.inside, request, record.address)
    found = {_leaf(file): file for file in choice.files}
    return found.keys() != record.files.keys() or any(_differs(found[n], kept) for n, kept in record.files.items())


def _differs(file: RemoteFile, kept: Mapping[str, Any]) -> bool:
    """Of two known checksums, else tags, else sizes."""
    for now, then in ((file.sha256, kept.get("sha256")), (file.etag, kept.get("etag"))):
        if now and then:
            return str(now).lower() != str(then).lower()
    return file.size != kept.get("size")


def _kept(home: Path) -> Path | None:
    record = store.read_record(home)
    return store.place_of(home, record) if record else None


def _without_network(address: Address, home: Path, request: Request) -> Path:
    """What is there: from our own cache or that of Hugging Face."""
    if kept := _kept(home):
        return kept
    if address.scheme == "hf":
        from sokuon.voices.fetch.hub import HubRepository

        found = HubRepository(address).kept()
        if found is not None:
            folder, contents = found
            choice = _choose(contents.files, address.inside, request, str(address))
            return folder / (choice.main or choice.files[0]).path if choice.main else _common(folder, choice)
    raise DownloadError(
        f"{address} is not on this machine, and SOKUON_OFFLINE or HF_HUB_OFFLINE forbids the network; unset them once."
    )


def _fetch(address: Address, home: Path, request: Request, watch: Watch) -> Path:
    place = open_place(address)
    contents = place.contents(watch)
    choice = _choose(contents.files, contents.main or address.inside, request, str(address))
    folder = home / store.folder_name(contents.revision, choice.name)
    folder.mkdir(parents=True, exist_ok=True)
    files = {_leaf(file): _fetch_file(place, file, contents, folder, watch) for file in choice.files}
    record = store.Record(
        address=str(address),
        kind=request.kind,
        model=request.model,
        revision=contents.revision,
        folder=folder.relative_to(home).as_posix(),
        main=_leaf(choice.main) if choice.main else None,
        licence=contents.licence,
        fetched=store.now(),
        files=files,
    )
    store.write_record(home, record)
    return folder / record.main if record.main else folder


def _fetch_file(
    place: Place, file: RemoteFile, contents: Contents, folder: Path, watch: Watch
) -> dict[str, str | int | None]:
    """Bring a file unless it is there; returns what the record says of it."""
    target = folder / _leaf(file)
    what = f"{file.path}"
    if not (target.is_file() and file.size and target.stat().st_size == file.size):
        place.fetch(file, contents.revision, target, watch)
    sha256 = store.check_digest(target, file.sha256, what)
    return {"size": target.stat().st_size, "sha256": sha256, "etag": file.etag}


def _local(path: Path, request: Request) -> Path:
    """A path as it is; a folder of several voices leads to the one that is meant."""
    if not _can_exist(path):
        raise VoiceNotFoundError(f"{shown(str(path))} is a name that no file can have; give {FORMS}.")
    if not path.exists():
        raise VoiceNotFoundError(f"{path} does not exist; give {FORMS}.")
    if request.kind == "voice" and _is_bert(path):
        raise VoiceError(f"{path} is a BERT, not a voice; give the folder of a voice, and this as its --bert.")
    if request.kind == "bert":
        return _local_bert(path)
    if path.is_file() or (request.model is None and _is_voice(path)):
        return path
    files = [RemoteFile(p.relative_to(path).as_posix()) for p in _walk(path)]
    choice = _choose(files, "", request, str(path))
    return path / choice.main.path if choice.main else _common(path, choice)


def _can_exist(path: Path) -> bool:
    """False for a name that is too long for this system, or holds what no name may."""
    try:
        path.lstat()
    except OSError as error:
        return error.errno != errno.ENAMETOOLONG
    except ValueError:
        return False
    return True


def _local_bert(path: Path) -> Path:
    """A BERT's folder; a place that holds only a quantized graph is refused with the remedy."""
    found = [path] if path.suffix == ".onnx" else list(path.glob("*.onnx"))
    if found and not (path / "config.json").is_file() and not (path / listing.BERT_MANIFEST).is_file():
        listing.choose_bert([RemoteFile(file.name) for file in found], "", str(path))
    return path


def _walk(path: Path) -> list[Path]:
    """Files of a folder, three levels deep as far as voices lie; not without end."""
    found = []
    for pattern in ("*", "*/*", "*/*/*", "*/*/*/*"):
        for item in path.glob(pattern):
            if item.is_file():
                found.append(item)
            if len(found) > _MOST_LOCAL_FILES:
                raise VoiceNotFoundError(f"{path} holds over {_MOST_LOCAL_FILES} files; give the folder of a voice.")
    return found


def _is_bert(path: Path) -> bool:
    return (path / "vocab.txt").is_file() and not (path / listing.STYLES).exists()


def _is_voice(path: Path) -> bool:
    """True for a folder that is meant as one voice, be it incomplete: what it lacks is said when it is read."""
    return any((path / name).exists() for name in (listing.MANIFEST, listing.CONFIG, listing.STYLES))


def _choose(files: tuple[RemoteFile, ...] | list[RemoteFile], inside: str, request: Request, place: str) -> Choice:
    if request.kind == "bert":
        return listing.choose_bert(files, inside, place)
    return listing.choose_voice(files, inside, request.model, place)


def _common(folder: Path, choice: Choice) -> Path:
    """The folder in which a choice's files lie."""
    return (folder / choice.files[0].path).parent


def _leaf(file: RemoteFile) -> str:
    return file.path.rpartition("/")[2]
