"""A bucket as the organization's centre has them: private, versioned, encrypted, TLS only, and kept when its stack is deleted."""

import aws_cdk as cdk
from aws_cdk import aws_s3 as s3
from constructs import Construct

# Of an older version: a year and a month, for an audit.
_KEPT_DAYS = 400


def kept_bucket(scope: Construct, construct_id: str, *, name: str) -> s3.Bucket:
    """`name`: accounts make it of the centre's account and Region, so that nobody has to tell them."""
    bucket = s3.Bucket(
        scope,
        construct_id,
        bucket_name=name,
        versioned=True,
        enforce_ssl=True,
        block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
        object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
        # With a key of our own, each account would need a grant on it. There are no secrets in these buckets.
        encryption=s3.BucketEncryption.S3_MANAGED,
        lifecycle_rules=[
            s3.LifecycleRule(noncurrent_version_expiration=cdk.Duration.days(_KEPT_DAYS)),
        ],
        removal_policy=cdk.RemovalPolicy.RETAIN,
    )
    cdk.Validations.of(bucket).acknowledge(
        cdk.Acknowledgment(
            id="AwsSolutions-S1",
            reason="Who reads and writes here is in CloudTrail's data events where an organization wants to know it; another bucket "
            "for access logs would have to be watched and kept too.",
        )
    )
    return bucket
