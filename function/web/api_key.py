"""The key that callers must show: from the environment, or from a parameter store that keeps it out of there.

Cloud Run puts a secret into the environment itself. Lambda does not, so there the key is read from SSM, by the first
request that needs it: nothing that leads to the first token waits for the SDK's import.
"""

import threading
from collections.abc import Callable

from function.errors import Unavailable
from function.settings import Settings


def api_key(settings: Settings) -> Callable[[], str | None]:
    """What gives the key, or None where none is asked for.

    It raises Unavailable as long as the parameter cannot be read, and asks again the next time.
    """
    if settings.api_key is not None or settings.api_key_parameter is None:
        return lambda: settings.api_key
    name, lock = settings.api_key_parameter, threading.Lock()
    known: list[str] = []

    def read() -> str:
        with lock:
            if not known:
                known.append(_parameter(name))
            return known[0]

    return read


def _parameter(name: str) -> str:
    import boto3
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        value: str = boto3.client("ssm").get_parameter(Name=name, WithDecryption=True)["Parameter"]["Value"]
    except (BotoCoreError, ClientError) as e:
        raise Unavailable(f"API_KEY_PARAMETER={name} cannot be read: {e}", param="API_KEY_PARAMETER") from e
    return value
