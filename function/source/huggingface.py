"""Source of Hugging Face files: ``hf://owner/repository/file.gguf``, optionally ``…/repository@revision/…``.

The repository's server states the file's SHA-256 and redirects to the store of its bytes.
"""

from collections.abc import Mapping
from urllib.parse import quote

from function.errors import SourceError, UnknownScheme
from function.settings import Stores
from function.source.base import status_error
from function.source.http import HTTPSource

OBJECT_HEADERS = ("x-linked-etag", "x-linked-size", "x-repo-commit")


class HuggingFaceSource(HTTPSource):
    """File of a model repository."""

    def __init__(self, uri: str, stores: Stores) -> None:
        owner, _, rest = uri.removeprefix("hf://").partition("/")
        name, _, path = rest.partition("/")
        name, _, revision = name.partition("@")
        if not owner or not name or not path:
            raise UnknownScheme(f"{uri}: write it as hf://owner/repository/file.gguf.", uri=uri)
        url = f"{stores.hf_endpoint.rstrip('/')}/{owner}/{name}/resolve/{quote(revision or 'main', safe='')}/{path}"
        self._page = f"{stores.hf_endpoint.rstrip('/')}/{owner}/{name}"
        super().__init__(uri, stores, url, {"authorization": f"Bearer {stores.hf_token}"} if stores.hf_token else {})

    def redirect_headers(self, headers: Mapping[str, str]) -> Mapping[str, str]:
        return {name: headers[name] for name in OBJECT_HEADERS if name in headers}

    def checksums(self, headers: Mapping[str, str]) -> Mapping[str, str]:
        digest = headers.get("x-linked-etag", "").strip('"')
        return {"sha256": digest} if len(digest) == 64 else {}  # small files have a git hash of 40 digits

    def failure(self, status: int, headers: Mapping[str, str], body: bytes) -> SourceError:
        hint = f"Accept the model's terms at {self._page} and set HF_TOKEN to a token of that account."
        return status_error(self.uri, status, hint=hint, detail=headers.get("x-error-message", ""))
