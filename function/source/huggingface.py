"""Source of Hugging Face files: ``hf://owner/repository/file.gguf`` or ``hf://owner/repository:Q4_K_M``.

``repository@revision`` names a branch, a tag or a commit. The repository's server states the file's SHA-256 and
redirects to the store of its bytes.
"""

import json
import re
from collections.abc import Mapping
from urllib.parse import quote

from function.errors import ObjectNotFound, SourceError, UnknownScheme
from function.settings import Stores
from function.source.base import ObjectInfo, status_error
from function.source.http import HTTPSource
from function.source.split_model import list_parts

OBJECT_HEADERS = ("x-linked-etag", "x-linked-size", "x-repo-commit")
MAX_LISTED_FILES = 20  # in an error message
_PAGE_PATH = re.compile(r"(?:blob|resolve)/([^/]+)/(.+)", re.DOTALL)
_QUANTISATION = re.compile(r"[A-Za-z0-9_.-]{1,40}")


class HuggingFaceSource(HTTPSource):
    """File of a model repository.

    A quantisation in place of the file is looked up by ``describe``, which then describes its file, the first of a
    split model.
    """

    def __init__(self, uri: str, stores: Stores) -> None:
        owner, _, rest = uri.removeprefix("hf://").partition("/")
        repository, _, path = rest.partition("/")
        repository, colon, quantisation = repository.partition(":")
        name, _, revision = repository.partition("@")
        page_path = _PAGE_PATH.fullmatch(path)
        if page_path is not None and not revision:  # copied from a page's address
            revision, path = page_path[1], page_path[2]
        by_quantisation = bool(colon) and not path and _QUANTISATION.fullmatch(quantisation) is not None
        if not owner or not name or (colon and not by_quantisation) or not (path or by_quantisation):
            raise UnknownScheme(
                f"{uri}: write it as hf://owner/repository/file.gguf or hf://owner/repository:Q4_K_M.", uri=uri
            )
        self._endpoint, self._repository, self._revision = stores.hf_endpoint.rstrip("/"), f"{owner}/{name}", revision
        self._quantisation = quantisation if by_quantisation else None
        headers = {"authorization": f"Bearer {stores.hf_token}"} if stores.hf_token else {}
        super().__init__(uri, stores, self._file_url(path), headers)

    def describe(self) -> ObjectInfo:
        if self._quantisation is not None:
            path = choose_file(self.uri, self._list_files(), self._quantisation)
            at = f"@{self._revision}" if self._revision else ""
            self.uri = f"hf://{self._repository}{at}/{path}"
            self._set_url(self._file_url(path))
            self._quantisation = None
        return super().describe()

    def redirect_headers(self, headers: Mapping[str, str]) -> Mapping[str, str]:
        return {name: headers[name] for name in OBJECT_HEADERS if name in headers}

    def checksums(self, headers: Mapping[str, str]) -> Mapping[str, str]:
        digest = headers.get("x-linked-etag", "").strip('"')
        return {"sha256": digest} if len(digest) == 64 else {}  # small files have a git hash of 40 digits

    def failure(self, status: int, headers: Mapping[str, str], body: bytes) -> SourceError:
        page = f"{self._endpoint}/{self._repository}"
        hint = f"Accept the model's terms at {page} and set HF_TOKEN to a token of that account."
        return status_error(self.uri, status, hint=hint, detail=headers.get("x-error-message", ""))

    def _file_url(self, path: str) -> str:
        return f"{self._endpoint}/{self._repository}/resolve/{quote(self._revision or 'main', safe='')}/{path}"

    def _list_files(self) -> list[str]:
        """Return the paths of all files in the repository. Raises SourceError."""
        revision = quote(self._revision or "main", safe="")
        url = f"{self._endpoint}/api/models/{self._repository}/revision/{revision}"
        status, headers, body = self._exchange(self._request(url, {}))
        if status != 200:
            raise self.failure(status, headers, body)
        try:
            return [str(item["rfilename"]) for item in json.loads(body)["siblings"]]
        except (ValueError, KeyError, TypeError) as e:
            raise SourceError(f"{self.uri}: the list of files is malformed ({e!r}).", uri=self.uri) from e


def choose_file(uri: str, paths: list[str], quantisation: str) -> str:
    """Return the one model file of a repository with a quantisation; the first of a split model.

    Raises ObjectNotFound, with the files that there are.
    """
    models = sorted(path for path in paths if path.endswith(".gguf") and "mmproj" not in path.lower())
    token = re.compile(rf"(?<![A-Za-z0-9_]){re.escape(quantisation)}(?![A-Za-z0-9_])", re.IGNORECASE)
    found = [path for path in models if token.search(path)]
    if not found or len({list_parts(path) for path in found}) > 1:
        count = "no file" if not found else f"{len(found)} files"
        listed = ", ".join((found or models)[:MAX_LISTED_FILES]) or "none"
        raise ObjectNotFound(f"{uri}: {count} of the quantisation {quantisation}. Name one file of: {listed}.", uri=uri)
    return found[0]
