"""Error responses of S3: their code, their cause and its remedy."""

from collections.abc import Mapping
from dataclasses import dataclass

EXPIRED_CODES = frozenset({"ExpiredToken", "ExpiredTokenException", "InvalidToken", "RequestExpired"})  # status 400


@dataclass(frozen=True, slots=True)
class S3Error:
    """Code, message and region of an error response; empty strings where it has none."""

    code: str = ""
    message: str = ""
    region: str = ""

    @classmethod
    def parse(cls, headers: Mapping[str, str], body: bytes) -> "S3Error":
        """Return the error in S3's XML and headers."""
        region = headers.get("x-amz-bucket-region", "")
        if not body:
            return cls(region=region)
        from xml.etree import ElementTree  # expat rejects entity bombs, and the body is at most a megabyte

        try:
            root = ElementTree.fromstring(body)  # noqa: S314  # the same reason
        except ElementTree.ParseError:
            return cls(region=region)
        for element in root.iter():  # some stores add a namespace
            element.tag = element.tag.rpartition("}")[2]
        return cls(root.findtext("Code", ""), root.findtext("Message", ""), region or root.findtext("Region", ""))

    @property
    def text(self) -> str:
        """Code and message, for people."""
        return f"{self.code}: {self.message}" if self.message else self.code

    @property
    def is_kms(self) -> bool:
        """True if the key that encrypts the object cannot be used."""
        return self.code.startswith("KMS") or "kms:" in self.message.lower()

    def remedy(self, arn: str, account: str) -> str:
        """Return the remedy for a denied GET on the object ``arn`` by ``account``."""
        if self.is_kms:
            return f"Allow kms:Decrypt on the key that encrypts the object for {account}, and enable the key."
        if self.code == "InvalidObjectState":
            return "The object is archived in S3 Glacier: restore it, or copy it to the storage class STANDARD."
        if self.code == "RequestTimeTooSkewed":
            return "Set this machine's clock: S3 rejects signatures that are more than 15 minutes off."
        return f"Allow s3:GetObject on {arn} for {account}."
