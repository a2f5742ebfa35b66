"""API key from the environment or a parameter store."""

from pathlib import Path

import pytest

from function.errors import Unavailable
from function.settings import Settings
from function.web.api_key import ApiKey
from tests.servers.stores import s3_store


def test_api_key_is_none_without_setting() -> None:
    assert ApiKey(Settings()).read() is None


def test_api_key_of_environment_comes_first() -> None:
    assert ApiKey(Settings(api_key="k", api_key_parameter="/never/read")).read() == "k"


def test_api_key_parameter_is_read_once_and_retried_while_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import boto3

    with s3_store(tmp_path / "log") as store:
        for name, value in store.env.items():
            monkeypatch.setenv(name, value)
        monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
        key = ApiKey(Settings(api_key_parameter="/chat/key"))
        with pytest.raises(Unavailable, match="API_KEY_PARAMETER=/chat/key cannot be read"):
            key.read()
        ssm = boto3.client("ssm", endpoint_url=store.url, region_name=store.env["AWS_REGION"])
        ssm.put_parameter(Name="/chat/key", Value=" from SSM\n", Type="SecureString")
        assert key.read() == "from SSM"
    assert key.read() == "from SSM"  # the store is gone
