"""A model's URI → its bytes, whichever store keeps them."""

import re

from function.errors import UnknownScheme
from function.settings import Stores
from function.source.base import ObjectInfo, Source

_UNWRITTEN = re.compile(r"^[^/]*[\s\"<>][^/]*@|[?#].*[\s\"<>]", re.DOTALL)  # in a user, a query or a fragment

__all__ = ["ObjectInfo", "Source", "is_remote", "open_source"]
REMOTE_SCHEMES = ("gs", "hf", "http", "https", "s3")


def open_source(uri: str, stores: Stores | None = None) -> Source:
    """The source behind ``s3://``, ``gs://``, ``http(s)://``, ``hf://``, ``file://`` or a path; nothing is asked yet.

    ``stores``: what the environment says of the stores, read from it by default. Raises UnknownScheme, or what else the
    source says of a URI that cannot be.
    """
    scheme, separator, rest = uri.partition("://")
    if separator and scheme not in ("file", "gs", "hf", "s3") and _UNWRITTEN.search(rest):
        # Nothing of it is shown: where a secret would end, nobody can tell.
        raise UnknownScheme("The URI has a space, a quote, < or > after its ? or # or before its @: percent-encode it.")
    try:
        return _open(uri, stores)
    except ValueError:  # urllib's, about hosts and characters that no URI has; it quotes them, a password perhaps
        raise UnknownScheme(f"{uri}: no URI is written like that. Check its host and port.", uri=uri) from None


def _open(uri: str, stores: Stores | None) -> Source:
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

        return HTTPSource(uri)
    if scheme == "hf":
        from function.source.huggingface import HuggingFaceSource

        return HuggingFaceSource(uri, stores)
    raise UnknownScheme(
        f"{uri}: the scheme {scheme}:// is not known. Use gs://, s3://, https://, hf://, file:// or a path.",
        uri=uri,
        scheme=scheme,
    )


def is_remote(uri: str) -> bool:
    """Return True if ``uri`` has the scheme of a store: the object is read over the network."""
    scheme, separator, _ = uri.partition("://")
    return bool(separator) and scheme in REMOTE_SCHEMES
