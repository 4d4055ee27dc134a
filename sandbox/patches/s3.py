"""S3: objects grow older, and another account's bucket is asked as the one who asks."""

import dataclasses
import json
from datetime import UTC, datetime, timedelta
from typing import Any

from ministack.core import iam_evaluator
from ministack.services import s3

from sandbox.controls import Controls

_AS_KEPT = "%Y-%m-%dT%H:%M:%S.%fZ"


def let_time_pass(controls: Controls) -> None:
    """S3's own clock says when an object was written: what is there becomes that much older."""

    def age_objects(by: timedelta) -> None:
        for bucket in s3._buckets._data.values():
            for kept in bucket["objects"].values():
                before = datetime.strptime(kept["last_modified"], _AS_KEPT).replace(tzinfo=UTC)
                kept["last_modified"] = (before - by).strftime(_AS_KEPT)[:-4] + "Z"

    controls.ageing.append(age_objects)


def ask_as_the_caller() -> None:
    """The emulator asks another account's bucket as the root of the caller's account, and knows no ${aws:PrincipalAccount}."""
    evaluate = iam_evaluator.evaluate_resource_policy

    def evaluate_resource_policy(policy: Any, context: Any, *rest: Any, **options: Any) -> Any:
        text = policy if isinstance(policy, str) else json.dumps(policy or {})
        caller = iam_evaluator._request_caller_arn.get()
        account = context.principal_account
        if context.principal_type == "Root" and f":{account}:" in caller and not caller.endswith(":root"):
            context = dataclasses.replace(context, principal_arn=caller, principal_type="AssumedRole")
        return evaluate(text.replace("${aws:PrincipalAccount}", account), context, *rest, **options)

    iam_evaluator.evaluate_resource_policy = evaluate_resource_policy
