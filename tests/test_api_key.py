from pathlib import Path

import pytest

from function.errors import Unavailable
from function.settings import Settings
from function.web.api_key import api_key
from tests.servers.stores import s3_store


def test_no_key_is_required_by_default() -> None:
    assert api_key(Settings())() is None


def test_key_of_the_environment_comes_first() -> None:
    assert api_key(Settings(api_key="k", api_key_parameter="/never/read"))() == "k"


def test_parameter_is_read_once_and_a_missing_one_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import boto3

    with s3_store(tmp_path / "log") as store:
        for name, value in store.env.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("AWS_DEFAULT_REGION", store.env["AWS_REGION"])
        key = api_key(Settings(api_key_parameter="/chat/key"))
        with pytest.raises(Unavailable, match="API_KEY_PARAMETER=/chat/key cannot be read"):
            key()
        ssm = boto3.client("ssm", endpoint_url=store.url)
        ssm.put_parameter(Name="/chat/key", Value="from SSM", Type="SecureString")
        assert key() == "from SSM"
    assert key() == "from SSM"  # the store is gone
