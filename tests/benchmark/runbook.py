"""What people's scripts do without this product: everybody's keys and their last use, one call after the other."""

from collections.abc import Callable

import boto3

from tests.benchmark.invoke import end_with_parent, measured


def look_at_everybody() -> dict[str, int]:
    """As many users as there are, and how many keys they have."""
    iam = boto3.client("iam")
    users = keys = 0
    for page in iam.get_paginator("list_users").paginate():
        for user in page["Users"]:
            users += 1
            for key in iam.list_access_keys(UserName=user["UserName"])["AccessKeyMetadata"]:
                keys += 1
                iam.get_access_key_last_used(AccessKeyId=key["AccessKeyId"])
    return {"users": users, "keys": keys}


def work() -> Callable[[], object]:
    return look_at_everybody


if __name__ == "__main__":
    end_with_parent()
    measured("runbook", work)
