"""A model's URI → its bytes, whichever store keeps them."""

from function.errors import UnknownScheme
from function.settings import Stores
from function.source.base import ObjectInfo, Source

__all__ = ["ObjectInfo", "Source", "open_source"]


def open_source(uri: str, stores: Stores | None = None) -> Source:
    """The source behind ``s3://``, ``gs://``, ``http(s)://``, ``hf://``, ``file://`` or a path; nothing is asked yet.

    ``stores``: what the environment says of the stores, read from it by default. Raises UnknownScheme, or what else the
    source says of a URI that cannot be.
    """
    try:
        return _open(uri, stores)
    except ValueError as e:  # urllib's, about hosts and characters that no URI has
        raise UnknownScheme(f"{uri}: no URI is written like that ({e}).", uri=uri) from e


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
