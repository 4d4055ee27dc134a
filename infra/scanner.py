"""The scanner: what it is told, and what it may always do."""

import aws_cdk as cdk
from aws_cdk import aws_lambda as lam
from constructs import Construct

from infra import permissions
from infra.function import Function
from infra.memory import TABLE_NAME
from infra.orders import Orders
from infra.parameters import Parameters


class Scanner(Function):
    """Lists users, tags and keys, reads the memory, and sends the order."""

    def __init__(
        self, scope: Construct, construct_id: str, *, code: lam.Code, parameters: Parameters, orders: Orders
    ) -> None:
        super().__init__(
            scope,
            construct_id,
            description="Lists users, tags and keys, and orders a rotation for whom something may be due",
            handler="scanner.handler",
            code=code,
            log_retention_days=parameters.log_retention_days,
            environment={
                **parameters.policy_environment(),
                # In Audit notices fall, so that everybody who has one is named.
                "MODE": parameters.mode.value_as_string,
                "USER_PATH_PREFIX": parameters.user_path_prefix.value_as_string,
                "ORDERS_QUEUE_URL": orders.queue.queue_url,
                "TABLE_NAME": TABLE_NAME,
            },
        )
        self.allow(permissions.scanner(stack=cdk.Stack.of(self), orders=orders))
