"""Every operation that the product and the runbook's way use, on the simulation's account."""

import hashlib
import json
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from typing import Any

from botocore import xform_name
from botocore.exceptions import ClientError

from tests.benchmark.wire import Call
from tests.simulation import clients
from tests.simulation.account import Account
from tests.simulation.dynamodb import KEY
from tests.simulation.faults import Line
from tests.simulation.iam import Refused, UserRecord

# IAM's own.
_PAGE, _LARGEST_PAGE = 100, 1000
_ACCOUNT = "123456789012"
_ATTACHED = [
    {
        "PolicyName": "AmazonS3ReadOnlyAccess",
        "PolicyArn": "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess",
    }
]
# What DynamoDB answers at once.
_MEGABYTE = 1024 * 1024


@dataclass
class Aws:
    """`order`: what was sent last to the orders queue. Time is the machine's own."""

    account: Account
    order: str | None = None
    _skins: dict[str, object] = field(init=False)

    def __post_init__(self) -> None:
        line = Line(random=Random(0))
        self._skins = {
            "iam": clients.Iam(self.account, line),
            "secretsmanager": clients.SecretsManager(self.account, line),
            "sns": clients.Sns(self.account, line),
            "dynamodb": clients.DynamoDb(self.account, line),
        }
        self._own: dict[str, Callable[[Call], Any]] = {
            "iam:GetAccountAuthorizationDetails": self._users_with_tags,
            "iam:ListUsers": self._users,
            "iam:ListAccessKeys": self._keys,
            "iam:ListAttachedUserPolicies": lambda _: {"AttachedPolicies": _ATTACHED, "IsTruncated": False},
            "dynamodb:Scan": self._scan,
            "sts:GetCallerIdentity": self._caller,
            "sns:ListSubscriptionsByTopic": self._subscriptions,
            "sqs:SendMessage": self._send_order,
            "sqs:ChangeMessageVisibility": lambda _: {},
            "events:PutEvents": self._put_events,
            "cloudtrail:LookupEvents": lambda _: {"Events": []},
        }

    def answer(self, call: Call) -> dict[str, Any]:
        """Raises Refused."""
        self.account.now = datetime.now(UTC)
        own = self._own.get(f"{call.service}:{call.operation}")
        try:
            if own is not None:
                return own(call) or {}
            skin = self._skins.get(call.service)
            operation = getattr(skin, xform_name(call.operation), None)
            if operation is None:
                raise Refused("UnknownOperation")
            return operation(**call.parameters) or {}
        except ClientError as error:
            told = error.response
            raise Refused(told["Error"]["Code"], told["ResponseMetadata"]["HTTPStatusCode"]) from None

    def _users_with_tags(self, call: Call) -> dict[str, Any]:
        assert call.parameters["Filter"] == ["User"]
        return self._page(call, "UserDetailList", self._detail)

    def _users(self, call: Call) -> dict[str, Any]:
        return self._page(call, "Users", _named)

    def _page(self, call: Call, listed: str, told: Callable[[UserRecord], dict[str, Any]]) -> dict[str, Any]:
        names = sorted(self.account.iam.users)
        start = bisect_right(names, call.parameters.get("Marker", ""))
        size = min(int(call.parameters.get("MaxItems", _PAGE)), _LARGEST_PAGE)
        page = names[start : start + size]
        more = start + size < len(names)
        answer: dict[str, Any] = {
            listed: [told(self.account.iam.users[name]) for name in page],
            "IsTruncated": more,
        }
        return answer | {"Marker": page[-1]} if more else answer

    @staticmethod
    def _detail(user: UserRecord) -> dict[str, Any]:
        """With what AWS adds for every user, asked or not: it has to be read all the same."""
        return _named(user) | {
            "GroupList": ["engineers"],
            "AttachedManagedPolicies": _ATTACHED,
            "Tags": [{"Key": key, "Value": value} for key, value in user.tags.items()],
        }

    def _keys(self, call: Call) -> dict[str, Any]:
        skin = self._skins["iam"]
        assert isinstance(skin, clients.Iam)
        (page,) = skin.get_paginator("list_access_keys").paginate(UserName=call.parameters["UserName"])
        return {**page, "IsTruncated": False}

    def _caller(self, call: Call) -> dict[str, Any]:
        user = self.account.iam.use(call.key_id, at=self.account.now, service="sts", region="us-east-1")
        return {"Arn": user.arn, "UserId": user.id, "Account": _ACCOUNT}

    def _subscriptions(self, call: Call) -> dict[str, Any]:
        skin = self._skins["sns"]
        assert isinstance(skin, clients.Sns)
        listed = skin.get_paginator("list_subscriptions_by_topic")
        (page,) = listed.paginate(TopicArn=call.parameters["TopicArn"])
        return page

    def _scan(self, call: Call) -> dict[str, Any]:
        assert call.parameters["ConsistentRead"]
        items = self.account.table.items
        ids = sorted(items)
        start = bisect_right(ids, call.parameters.get("ExclusiveStartKey", {KEY: {"S": ""}})[KEY]["S"])
        page: list[Any] = []
        size = 0
        for user_id in ids[start:]:
            page.append(items[user_id])
            size += len(json.dumps(items[user_id]))
            if size >= _MEGABYTE:
                return {"Items": page, "LastEvaluatedKey": {KEY: {"S": user_id}}}
        return {"Items": page}

    def _send_order(self, call: Call) -> dict[str, Any]:
        self.order = call.parameters["MessageBody"]
        digest = hashlib.md5(self.order.encode(), usedforsecurity=False).hexdigest()
        return {"MessageId": "order", "MD5OfMessageBody": digest}

    @staticmethod
    def _put_events(call: Call) -> dict[str, Any]:
        return {"FailedEntryCount": 0, "Entries": [{"EventId": "event"} for _ in call.parameters["Entries"]]}


def _named(user: UserRecord) -> dict[str, Any]:
    return {
        "Path": "/",
        "UserName": user.name,
        "UserId": user.id,
        "Arn": user.arn,
        "CreateDate": datetime(2020, 1, 1, tzinfo=UTC),
    }
