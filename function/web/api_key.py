"""Key that callers must send: from the environment, or from a parameter store.

Cloud Run puts a secret into the environment. Lambda does not: there the first guarded request reads the key from SSM,
so that the first token does not wait for the SDK's import.
"""

import threading

from function.errors import Unavailable
from function.settings import Settings, Stores


class ApiKey:
    """The key in the settings, or in the parameter that they name."""

    def __init__(self, settings: Settings) -> None:
        self._setting = settings.api_key
        self._parameter = settings.api_key_parameter if settings.api_key is None else None
        self._lock = threading.Lock()
        self._read: str | None = None

    def read(self) -> str | None:
        """Return the key, or None without one.

        Raises Unavailable while the parameter cannot be read, and tries again at the next call.
        """
        if self._parameter is None:
            return self._setting
        with self._lock:
            if self._read is None:
                self._read = _read_parameter(self._parameter)
            return self._read

    def forget(self) -> None:
        """Let the next call read the parameter again."""
        with self._lock:
            self._read = None


def _read_parameter(name: str) -> str:
    import boto3
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        # A session of its own: boto3's own one would keep the credentials. boto3 reads AWS_DEFAULT_REGION only.
        client = boto3.Session().client("ssm", region_name=Stores.from_env().aws_region)
        value: str = client.get_parameter(Name=name, WithDecryption=True)["Parameter"]["Value"]
    except (BotoCoreError, ClientError) as e:
        raise Unavailable(f"API_KEY_PARAMETER={name} cannot be read: {e}", param="API_KEY_PARAMETER") from e
    return value.strip()  # as from the environment: editors and pipes add a line break
