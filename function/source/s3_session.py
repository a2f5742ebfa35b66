"""Credentials, addresses and certificate authorities of S3 from botocore's own loaders.

botocore reads profiles, roles, service sections, endpoints, FIPS, dual-stack, acceleration, the addressing style and
access points. Its import takes 0.3 s, so the light path of ``s3`` goes without.
"""

from typing import Any, NoReturn

from function.errors import AccessDenied, SourceError
from function.source.http_client import CONNECT_TIMEOUT_SECONDS, RESPONSE_TIMEOUT_SECONDS
from function.source.s3_object import S3Address, S3Object
from function.source.sigv4 import Credentials

SESSION_TOKEN_HEADER = "x-amz-s3session-token"  # noqa: S105  # a header's name


class _SignedRequest(Exception):
    """Request that botocore was about to send."""

    def __init__(self, request: Any) -> None:
        prepared = request.prepare()
        self.url = str(prepared.url)
        authorization = prepared.headers["Authorization"]
        self.authorization = authorization.decode() if isinstance(authorization, bytes) else str(authorization)


class S3Session:
    """Session of botocore for one object. ``region``: the configured region, None if there is none.

    ``endpoint`` replaces the endpoint of a configuration file. Raises SourceError, AccessDenied.
    """

    def __init__(self, uri: str, item: S3Object, endpoint: str | None) -> None:
        from botocore.exceptions import BotoCoreError
        from botocore.session import Session

        self._uri, self._item, self._endpoint = uri, item, endpoint
        try:
            self._session = Session()
            self._credentials = self._session.get_credentials()
            region: str | None = self._session.get_config_variable("region")
            ca_bundle: str | None = self._session.get_config_variable("ca_bundle")
        except BotoCoreError as e:
            raise self._denied_error(e) from e
        self.region, self.ca_bundle = region, ca_bundle

    def locate(self, region: str) -> S3Address:
        """Return the object's address, as in the request that botocore itself would send. Raises SourceError."""
        from botocore.exceptions import BotoCoreError

        item, placeholder = self._item, Credentials("none", "none")
        try:
            client = self._create_client(region, placeholder)
            client.meta.events.register_last("request-created.s3", _stop)
            try:
                if item.is_in_directory_bucket:  # any other operation would begin with a request for a session
                    client.create_session(Bucket=item.bucket)
                else:
                    version = {"VersionId": item.version_id} if item.version_id else {}
                    client.head_object(Bucket=item.bucket, Key=item.key, **version)
            except _SignedRequest as request:
                scope = request.authorization.partition("Credential=")[2].partition(",")[0].split("/")
                url = request.url
                if item.is_in_directory_bucket:
                    url = f"{url.partition('?')[0].rstrip('/')}/{item.path}"
                return S3Address(url, region=scope[2], service=scope[3])
        except (BotoCoreError, ValueError) as e:
            error = SourceError(f"{self._uri}: the AWS configuration gives no address for it ({e}).", uri=self._uri)
            error.permanent = True
            raise error from e
        raise AssertionError("unreachable")

    def credentials(self) -> Credentials | None:
        """Return the current credentials, None if there are none. Raises AccessDenied."""
        from botocore.exceptions import BotoCoreError

        if self._credentials is None:
            return None
        try:
            frozen = self._credentials.get_frozen_credentials()
        except BotoCoreError as e:
            raise self._denied_error(e) from e
        if not frozen.access_key or not frozen.secret_key:
            return None
        return Credentials(frozen.access_key, frozen.secret_key, frozen.token)

    def create_bucket_session(self, region: str) -> Credentials | None:
        """Return credentials for a directory bucket, which last five minutes. Raises AccessDenied, SourceError."""
        from botocore.exceptions import BotoCoreError, ClientError

        credentials = self.credentials()
        if credentials is None:
            return None
        try:
            found = self._create_client(region, credentials).create_session(Bucket=self._item.bucket)["Credentials"]
        except ClientError as e:
            raise AccessDenied(
                f"{self._uri}: no session for the directory bucket ({e}). Allow s3express:CreateSession on it.",
                uri=self._uri,
            ) from e
        except BotoCoreError as e:
            raise SourceError(f"{self._uri}: no session for the directory bucket ({e}).", uri=self._uri) from e
        return Credentials(
            found["AccessKeyId"], found["SecretAccessKey"], found["SessionToken"], token_header=SESSION_TOKEN_HEADER
        )

    def _create_client(self, region: str, credentials: Credentials) -> Any:
        from botocore.config import Config

        return self._session.create_client(
            "s3",
            region_name=region,
            endpoint_url=self._endpoint,
            aws_access_key_id=credentials.access_key,
            aws_secret_access_key=credentials.secret_key,
            aws_session_token=credentials.token,
            config=Config(
                signature_version="s3v4",
                connect_timeout=CONNECT_TIMEOUT_SECONDS,
                read_timeout=RESPONSE_TIMEOUT_SECONDS,
                retries={"total_max_attempts": 2},
            ),
        )

    def _denied_error(self, error: Exception) -> AccessDenied:
        return AccessDenied(f"{self._uri}: no usable AWS credentials ({error}).", uri=self._uri)


def _stop(request: Any, **_: object) -> NoReturn:
    raise _SignedRequest(request)
