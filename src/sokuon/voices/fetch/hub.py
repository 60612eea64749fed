"""Repositories of Hugging Face: lists, tokens, endpoint and the cache of other programs by its own library.

Its downloads are not used: of a process that is killed they keep nothing, and a voice has 250 MB.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sokuon.errors import DownloadError, missing_extra
from sokuon.voices.fetch import http
from sokuon.voices.fetch.address import Address
from sokuon.voices.fetch.listing import RemoteFile
from sokuon.voices.fetch.places import Contents
from sokuon.voices.fetch.watch import BusyError, Watch, again

_BUSY = (408, 425, 429, 500, 502, 503, 504)
_LOG_IN = "log in with `hf auth login` or set HF_TOKEN"
_REMEDIES = {401: _LOG_IN, 403: f"accept its terms on its page at Hugging Face, then {_LOG_IN}"}
_NETWORK_LIBRARIES = ("httpx2", "httpcore2", "httpx", "requests", "urllib3", "hf_xet")


class HubRepository:
    """A model repository at a revision."""

    def __init__(self, address: Address) -> None:
        self._repo, self._asked = address.place, address.revision
        self._name = f"hf://{address.place}"
        _library()

    def contents(self, watch: Watch) -> Contents:
        """See Place."""
        info = again(self._info, self._name, watch)
        files = tuple(
            RemoteFile(s.rfilename, s.size or 0, s.lfs.sha256 if s.lfs else None, s.blob_id)
            for s in info.siblings or ()
        )
        card = info.card_data or {}
        licence = card.get("license_name") or card.get("license")
        return Contents(str(info.sha), files, str(licence) if licence else None)

    def _info(self) -> Any:
        with self._translated():
            api = _library().HfApi(endpoint=_endpoint())
            return api.model_info(self._repo, revision=self._asked, files_metadata=True, timeout=20.0)

    def fetch(self, file: RemoteFile, revision: str, target: Path, watch: Watch) -> None:
        """See Place. What another program has in the cache of Hugging Face is linked."""
        from huggingface_hub.utils import build_hf_headers

        library = _library()
        kept = library.try_to_load_from_cache(self._repo, file.path, revision=revision)
        if isinstance(kept, str) and file.size in (0, Path(kept).stat().st_size):
            _link(Path(kept), target)
            return
        url = library.hf_hub_url(self._repo, file.path, revision=revision, endpoint=_endpoint())
        http.download(url, target, watch, file.size, http.Login(build_hf_headers(library_name="sokuon"), _REMEDIES))

    def kept(self) -> tuple[Path, Contents] | None:
        """The snapshot in the cache of Hugging Face, for work without the network; None if there is none."""
        try:
            folder = Path(_library().snapshot_download(self._repo, revision=self._asked, local_files_only=True))
        except (OSError, ValueError):
            return None
        files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
        listed = tuple(RemoteFile(path.relative_to(folder).as_posix(), path.stat().st_size) for path in files)
        return folder, Contents(folder.name, listed)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Errors of the library as ours."""
        from huggingface_hub import errors as known

        what = self._name
        try:
            yield
        except known.GatedRepoError as error:
            raise DownloadError(
                f"{what} is gated; accept its terms on its page at Hugging Face, then {_LOG_IN}."
            ) from error
        except known.RevisionNotFoundError as error:
            raise DownloadError(f"{what} has no revision {self._asked}; check its name.") from error
        except known.RepositoryNotFoundError as error:
            raise DownloadError(f"{what} does not exist or is private; check its name, or {_LOG_IN}.") from error
        except known.LocalEntryNotFoundError as error:  # the library's word for a hub that does not answer
            raise BusyError(_first_line(error)) from error
        except known.EntryNotFoundError as error:
            raise DownloadError(f"{what} does not exist; check the address.") from error
        except known.HfHubHTTPError as error:
            raise _http_error(what, error) from error
        except known.OfflineModeIsEnabled as error:
            raise DownloadError(f"{what} is needed, but HF_HUB_OFFLINE is set; unset it.") from error
        except Exception as error:
            if type(error).__module__.partition(".")[0] in _NETWORK_LIBRARIES or isinstance(error, ConnectionError):
                raise BusyError(_first_line(error)) from error
            if isinstance(error, OSError) and not isinstance(error, FileNotFoundError):
                raise BusyError(_first_line(error)) from error
            raise


def _http_error(what: str, error: Any) -> Exception:
    status = getattr(getattr(error, "response", None), "status_code", 0)
    if status in _BUSY:
        after = error.response.headers.get("retry-after", "")
        return BusyError(f"the hub answered {status}", float(after) if after.isdecimal() else None)
    if status in (401, 403):
        return DownloadError(f"{what} is not open to you (the hub answered {status}); {_LOG_IN}.")
    return DownloadError(f"{what} cannot be fetched ({_first_line(error)}); check the address.")


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]


def _library() -> Any:
    try:
        import huggingface_hub
    except ImportError as error:
        raise missing_extra("the hub needs", "huggingface_hub", "hub") from error
    return huggingface_hub


def _endpoint() -> str | None:
    return os.environ.get("HF_ENDPOINT") or None


def _link(path: Path, target: Path) -> None:
    """`target` as a link to the file in Hugging Face's cache, or a copy where links cannot be."""
    target.unlink(missing_ok=True)
    try:
        target.symlink_to(path.resolve())
    except OSError:
        shutil.copy2(path, target)
