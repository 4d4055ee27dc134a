"""The rotator: what it is told, and what it may do in either mode; what it may do in Enforce: enforcement.py."""

import aws_cdk as cdk
from aws_cdk import aws_lambda as lam
from constructs import Construct

from infra import permissions
from infra.function import TIMEOUT_SECONDS, Function
from infra.memory import TABLE_NAME
from infra.orders import Orders
from infra.parameters import Parameters
from infra.telling import Telling

# Secrets' resource policies and the table's name this role, so a stack that is deployed again must be the same principal;
# and a second copy in another Region of the account is refused by the name.
ROLE_NAME = "access-key-rotation-rotator"


class Rotator(Function):
    """Takes an order, looks at each user again, rotates what is due and tells."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        code: lam.Code,
        parameters: Parameters,
        orders: Orders,
        telling: Telling,
    ) -> None:
        super().__init__(
            scope,
            construct_id,
            description="Takes an order, looks at each user again, rotates what is due and tells",
            handler="rotator.handler",
            code=code,
            log_retention_days=parameters.log_retention_days,
            environment={
                **parameters.policy_environment(),
                "MODE": parameters.mode.value_as_string,
                "USER_PATH_PREFIX": parameters.user_path_prefix.value_as_string,
                "SECRET_READER_ARNS": cdk.Fn.join(",", parameters.secret_reader_arns.value_as_list),
                "OWNER_TAG_KEYS": cdk.Fn.join(",", parameters.owner_tag_keys.value_as_list),
                "SECRETS_KMS_KEY_ARN": parameters.secrets_kms_key_arn.value_as_string,
                "ORDERS_QUEUE_URL": orders.queue.queue_url,
                "ORDERS_QUEUE_ARN": orders.queue.queue_arn,
                "RUNBOOK_URL": parameters.runbook_url.value_as_string,
                **telling.environment,
                "TABLE_NAME": TABLE_NAME,
                "FUNCTION_TIMEOUT_SECONDS": str(TIMEOUT_SECONDS),
            },
            role_name=ROLE_NAME,
        )
        self.function.add_environment("ROTATOR_ROLE_ARN", self.role.role_arn)
        # The mail names the log that holds the full report.
        self.function.add_environment("LOG_GROUP_NAME", self.log_group.log_group_name)
        self.allow(permissions.rotator_always(stack=cdk.Stack.of(self), parameters=parameters, orders=orders))
        self.allow(telling.grants)
        self.deny(permissions.rotator_never())
