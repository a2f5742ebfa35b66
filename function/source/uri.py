"""URIs of models: the source, the file name and the locality of an object."""

import re
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit

from function import default_model
from function.errors import UnknownScheme
from function.settings import Stores
from function.source.base import Source

SCHEME_ALIASES = {"gcs": "gs"}
REMOTE_SCHEMES = ("gs", "hf", "http", "https", "s3")
_HUGGING_FACE_PAGE = re.compile(
    r"https?://(?:www\.)?(?:huggingface\.co|hf\.co)/"
    r"(?P<owner>[^/?#]+)/(?P<name>[^/?#@:]+)/blob/(?P<revision>[^/?#]+)/(?P<path>[^?#]+)(?:[?#].*)?"
)
_GITHUB_PAGE = re.compile(r"^(https://github\.com/[^/?#]+/[^/?#]+)/blob/")
_UNENCODED = re.compile(r"^[^/]*[\s\"<>][^/]*@|[?#].*[\s\"<>]", re.DOTALL)  # in a user, a query or a fragment


def is_remote(uri: str) -> bool:
    """Return True if ``uri`` has the scheme of a store, so that its object is read over the network."""
    scheme, separator, _ = normalize_uri(uri).partition("://")
    return bool(separator) and scheme in REMOTE_SCHEMES


def find_mount(uri: str) -> str | None:
    """Return the type of the FUSE or network file system that holds the file at ``uri``; None for any other object."""
    scheme, separator, _ = normalize_uri(uri).partition("://")
    if not uri or (separator and scheme != "file"):
        return None
    from function.source.file import FileSource

    return FileSource(normalize_uri(uri)).network_mount


def is_fetched(uri: str) -> bool:
    """Return True if the object is copied to this machine before it is used: from a store or a network mount."""
    return is_remote(uri) or find_mount(uri) is not None


def normalize_uri(uri: str) -> str:
    """Return ``uri`` with its usual scheme in lower case, and the file in place of a page that shows it."""
    scheme, separator, rest = uri.partition("://")
    if not separator:
        return uri
    scheme = scheme.lower()
    uri = f"{SCHEME_ALIASES.get(scheme, scheme)}://{rest}"
    page = _HUGGING_FACE_PAGE.fullmatch(uri)
    if page is not None:
        return f"hf://{page['owner']}/{page['name']}@{page['revision']}/{page['path']}"
    return _GITHUB_PAGE.sub(r"\1/raw/", uri)


def name_file(uri: str) -> str:
    """Return the file name of the object at ``uri``."""
    return PurePosixPath(unquote(urlsplit(normalize_uri(uri)).path)).name or "model.gguf"


def open_source(uri: str, stores: Stores | None = None) -> Source:
    """Return the source for ``s3://``, ``gs://``, ``http(s)://``, ``hf://``, ``file://`` or a path, without a request.

    ``stores`` are the stores' settings, read from the environment by default. Raises UnknownScheme, and the errors of
    the source's own constructor for a malformed URI.
    """
    uri = normalize_uri(uri)
    scheme, separator, rest = uri.partition("://")
    if separator and scheme not in ("file", "gs", "hf", "s3") and _UNENCODED.search(rest):
        # The message quotes nothing: the end of a secret in such a URI cannot be determined.
        raise UnknownScheme("The URI has a space, a quote, < or > after its ? or # or before its @: percent-encode it.")
    try:
        return _open(uri, stores)
    except ValueError:  # from urllib, for invalid hosts and characters; its message quotes them, perhaps a password
        raise UnknownScheme(f"{uri}: this is not a valid URI. Check its host and port.", uri=uri) from None


def _open(uri: str, stores: Stores | None) -> Source:
    if not uri:  # the default of MODEL_URI where the default model is not installed
        raise default_model.missing()
    scheme, separator, _ = uri.partition("://")
    if not separator or scheme == "file":
        from function.source.file import FileSource

        return FileSource(uri)
    stores = Stores.from_env() if stores is None else stores
    if scheme == "s3":
        from function.source.s3 import S3Source

        return S3Source(uri, stores)
    if scheme == "gs":
        from function.source.gcs import GCSSource

        return GCSSource(uri, stores)
    if scheme in ("http", "https"):
        from function.source.http import HTTPSource

        return HTTPSource(uri, stores)
    if scheme == "hf":
        from function.source.huggingface import HuggingFaceSource

        return HuggingFaceSource(uri, stores)
    raise UnknownScheme(
        f"{uri}: the scheme {scheme}:// is not supported. Use gs://, s3://, https://, hf://, file:// or a path.",
        uri=uri,
        scheme=scheme,
    )
