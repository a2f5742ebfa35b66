"""Sources of models: a URI to its bytes, for every supported store."""

from typing import TYPE_CHECKING, Any

from function.source.base import TRANSIENT_STATUSES, ObjectInfo, Source, connection_error, is_encoded
from function.source.checksum import ALGORITHMS, Algorithm, choose_algorithm, hash_file, hash_files, stated_digest
from function.source.file import FileSource
from function.source.http_client import Request, StoreConnection, WireError, get_origin, read_headers
from function.source.split_model import VERSION_DIGITS, combine_digests, combine_versions, list_parts
from function.source.uri import find_mount, is_fetched, is_remote, name_file, open_source

if TYPE_CHECKING:
    from function.source.text import load_text, read_text
    from function.source.upload import upload_file

__all__ = [
    "ALGORITHMS", "TRANSIENT_STATUSES", "VERSION_DIGITS", "Algorithm", "FileSource", "ObjectInfo", "Request",
    "Source", "StoreConnection", "WireError", "choose_algorithm", "combine_digests", "combine_versions",
    "connection_error", "find_mount", "get_origin", "hash_file", "hash_files", "is_encoded", "is_fetched",
    "is_remote", "list_parts", "load_text", "name_file", "open_source", "read_headers", "read_text",
    "stated_digest", "upload_file",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    """Import on first use the exports that a cold start's fetch does not need."""
    if name in ("load_text", "read_text"):
        from function.source import text

        return getattr(text, name)
    if name == "upload_file":
        from function.source.upload import upload_file

        return upload_file
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
