"""What the centre reads: which accounts should report, what lies in the bucket, and who listens to the topic."""

import re
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC
from typing import TYPE_CHECKING

from keyrotation.causes import CALL_ERRORS, cause_of
from keyrotation.centre.digest import Expected, Found
from keyrotation.centre.settings import CentreSettings
from keyrotation.centre.understood import LARGEST, Refused, understood
from keyrotation.tell.publish import listeners

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_organizations import OrganizationsClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import ObjectTypeDef
    from mypy_boto3_sns import SNSClient

_REPORT = re.compile(r"reports/([0-9]{12})/latest\.json")


@dataclass(frozen=True, kw_only=True)
class Gathering:
    """`miss` hears of what could not be read and is done without, with its cause."""

    settings: CentreSettings
    s3: "S3Client" = field(repr=False)
    sns: "SNSClient" = field(repr=False)
    cloudformation: "CloudFormationClient" = field(repr=False)
    organizations: "OrganizationsClient" = field(repr=False)
    workers: int
    miss: Callable[[str, str], None]

    def expected(self) -> dict[str, Expected] | None:
        """The StackSet's accounts; None: it could not be asked, which the digest tells."""
        try:
            troubles = self._instances()
        except CALL_ERRORS as error:
            self.miss("the StackSet", cause_of(error))
            return None
        names = self._names()
        return {
            account: Expected(name=names.get(account, ""), trouble=trouble)
            for account, trouble in troubles.items()
        }

    def _instances(self) -> dict[str, str]:
        """By account, why its stack is not as it should be; empty: it is."""
        found = {}
        token: dict[str, str] = {}
        while True:
            page = self.cloudformation.list_stack_instances(
                StackSetName=self.settings.stack_set_name,
                CallAs="SELF" if self.settings.call_as == "SELF" else "DELEGATED_ADMIN",
                **token,  # type: ignore[arg-type]  # the token, or nothing
            )
            for each in page["Summaries"]:
                status = each.get("Status", "")
                trouble = "" if status == "CURRENT" else f"{status} {each.get('StatusReason', '')}".strip()
                found[each["Account"]] = trouble
            if "NextToken" not in page:
                return found
            token = {"NextToken": page["NextToken"]}

    def _names(self) -> dict[str, str]:
        """What the organization calls its accounts; a digest does without."""
        try:
            pages = self.organizations.get_paginator("list_accounts").paginate()
            return {each["Id"]: each["Name"] for page in pages for each in page["Accounts"]}
        except CALL_ERRORS as error:
            self.miss("the names of the accounts", cause_of(error))
            return {}

    def found(self) -> Mapping[str, Found]:
        """Every account that ever reported. Raises what botocore raises where the bucket cannot be listed."""
        pages = self.s3.get_paginator("list_objects_v2").paginate(
            Bucket=self.settings.reports_bucket, Prefix="reports/", ExpectedBucketOwner=self.settings.account
        )
        objects = [
            (found[1], each)
            for page in pages
            for each in page.get("Contents", [])
            if (found := _REPORT.fullmatch(each["Key"]))
        ]
        with ThreadPoolExecutor(self.workers) as pool:
            return {found.account: found for found in pool.map(lambda each: self._found(*each), objects)}

    def _found(self, account: str, listed: "ObjectTypeDef") -> Found:
        at = listed["LastModified"].astimezone(UTC)
        if listed["Size"] > LARGEST:
            return Found(
                account=account, at=at, report=None, refused=f"it is larger than {LARGEST // 1024} KiB"
            )
        try:
            answer = self.s3.get_object(
                Bucket=self.settings.reports_bucket,
                Key=listed["Key"],
                ExpectedBucketOwner=self.settings.account,
            )
            # Of what the account may have written since it was listed.
            at = answer["LastModified"].astimezone(UTC)
            report = understood(answer["Body"].read(LARGEST + 1), account=account)
        except Refused as refused:
            return Found(account=account, at=at, report=None, refused=str(refused))
        except CALL_ERRORS as error:
            self.miss(f"the report of {account}", cause_of(error))
            return Found(account=account, at=at, report=None, refused="it could not be read")
        return Found(account=account, at=at, report=report)

    def listeners(self) -> int:
        """Who gets the digest, by the rule of every account. Raises what botocore raises."""
        return listeners(self.sns, self.settings.topic_arn)
