"""Fixtures of the stores: started once for all tests that name them."""

from collections.abc import Iterator

import pytest

from tests.servers.stores import Store, gcs_store, s3_store


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """moto's S3 server with the bucket ``models``."""
    with s3_store(tmp_path_factory.mktemp("moto") / "log") as store:
        yield store


@pytest.fixture(scope="session")
def gcs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """The GCS emulator with the bucket ``models``."""
    with gcs_store(tmp_path_factory.mktemp("gcs") / "log") as store:
        yield store
