"""Key that callers must send: from the environment, or from a parameter store.

Cloud Run puts a secret into the environment. Lambda does not: there the first guarded request reads the key from SSM,
so that the first token does not wait for the SDK's import.
"""

import threading
from collections.abc import Callable

from function.errors import Unavailable
from function.settings import Settings, Stores


def api_key_reader(settings: Settings) -> Callable[[], str | None]:
    """Return a function that returns the key, or None without one.

    It raises Unavailable while the parameter cannot be read, and tries again at the next call.
    """
    if settings.api_key is not None or settings.api_key_parameter is None:
        return lambda: settings.api_key
    name, lock = settings.api_key_parameter, threading.Lock()
    cached: list[str] = []

    def read() -> str:
        with lock:
            if not cached:
                cached.append(_read_parameter(name))
            return cached[0]

    return read


def _read_parameter(name: str) -> str:
    import boto3
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        client = boto3.client("ssm", region_name=Stores.from_env().aws_region)  # boto3 reads AWS_DEFAULT_REGION only
        value: str = client.get_parameter(Name=name, WithDecryption=True)["Parameter"]["Value"]
    except (BotoCoreError, ClientError) as e:
        raise Unavailable(f"API_KEY_PARAMETER={name} cannot be read: {e}", param="API_KEY_PARAMETER") from e
    return value.strip()  # as from the environment: editors and pipes add a line break
