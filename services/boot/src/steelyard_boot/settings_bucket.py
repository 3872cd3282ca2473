"""What boot reads about the S3-compatible store that keeps the artifacts. Without one the folder keeps them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from steelyard_common.errors import InvalidRequest
from steelyard_common.settings import env

from .domain.bucket import BucketPlace, parse


@dataclass(frozen=True, kw_only=True)
class BucketSettings:
    """``bucket`` is all of it."""

    artifacts_s3_url: BucketPlace | None = field(
        default=None,
        metadata=env(
            "STEELYARD_ARTIFACTS_S3_URL",
            "https://host[:port]/bucket[/prefix] of an S3-compatible store that keeps the artifacts; the folder then "
            "has what this replica uses of them; empty = the folder keeps them",
            parse=parse,
        ),
    )
    artifacts_s3_key: str = field(default="", metadata=env("STEELYARD_ARTIFACTS_S3_KEY", "access key of that store"))
    artifacts_s3_secret: str = field(
        default="", repr=False, metadata=env("STEELYARD_ARTIFACTS_S3_SECRET", "secret of that key")
    )
    artifacts_s3_region: str = field(
        default="us-east-1", metadata=env("STEELYARD_ARTIFACTS_S3_REGION", "region of the bucket, where it has one")
    )

    def bucket(self) -> BucketPlace | None:
        """Errors: InvalidRequest."""
        if self.artifacts_s3_url is None:
            return None
        if not self.artifacts_s3_key or not self.artifacts_s3_secret:
            raise InvalidRequest(
                "STEELYARD_ARTIFACTS_S3_URL is set: STEELYARD_ARTIFACTS_S3_KEY and STEELYARD_ARTIFACTS_S3_SECRET are "
                "needed, too"
            )
        return replace(
            self.artifacts_s3_url, key=self.artifacts_s3_key, secret=self.artifacts_s3_secret,
            region=self.artifacts_s3_region,
        )  # fmt: skip
