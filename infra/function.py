"""A Lambda function as this stack has them: its own role, its own log group, the shared code."""

from collections.abc import Mapping, Sequence

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lam
from aws_cdk import aws_logs as logs
from constructs import Construct

from infra import permissions
from infra.grants import Denial, Grant, acknowledge_wildcards

# Lambda's own maximum. A run over 5,000 users takes minutes, and one that is cut short is only finished tomorrow.
TIMEOUT_SECONDS = 900
METRICS_NAMESPACE = "AccessKeyRotation"


class Function(Construct):
    """A handler of the shared asset. The module before the dot is also the service's name in logs and metrics."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        description: str,
        handler: str,
        code: lam.Code,
        environment: Mapping[str, str],
        log_retention_days: cdk.CfnParameter,
        role_name: str | None = None,
    ) -> None:
        super().__init__(scope, construct_id)
        self.grants: list[Grant] = []
        self.denials: list[Denial] = []
        self.role = iam.Role(
            self,
            "Role",
            role_name=role_name,
            description=description,
            assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"),
        )
        # The log holds each run's full report: evidence that an audit may ask for a year later, and after the
        # stack is gone, so deleting the stack keeps it. It is also where the metrics come from that alarms read: the role
        # cannot make it anew. (A first deployment that fails leaves it behind: it could not be deleted either.)
        self.log_group = logs.LogGroup(
            self, "Logs", removal_policy=cdk.RemovalPolicy.RETAIN, deletion_protection_enabled=True
        )
        resource = self.log_group.node.default_child
        if not isinstance(resource, logs.CfnLogGroup):
            raise TypeError("the CDK no longer makes an AWS::Logs::LogGroup of a logs.LogGroup")
        resource.retention_in_days = log_retention_days.value_as_number
        self.allow(permissions.own_log(self.log_group))
        self.function = lam.Function(
            self,
            "Function",
            description=description,
            runtime=lam.Runtime.PYTHON_3_13,
            architecture=lam.Architecture.ARM_64,
            handler=handler,
            code=code,
            role=self.role,
            memory_size=512,
            timeout=cdk.Duration.seconds(TIMEOUT_SECONDS),
            log_group=self.log_group,
            logging_format=lam.LoggingFormat.JSON,
            environment={
                "POWERTOOLS_SERVICE_NAME": handler.partition(".")[0],
                "POWERTOOLS_METRICS_NAMESPACE": METRICS_NAMESPACE,
                "POWERTOOLS_LOG_LEVEL": "INFO",
                **environment,
            },
        )

        cdk.Validations.of(self.function).acknowledge(
            cdk.Acknowledgment(
                id="AwsSolutions-L1",
                reason="Python 3.13 is supported by Lambda until June 2029, and the tests and the demo run this very bundle "
                "on it where the machine has it; the next one is taken when they run on it.",
            )
        )

    def allow(self, grants: Sequence[Grant]) -> None:
        """Add to what the function's role may always do."""
        for grant in grants:
            self.grants.append(grant)
            self.role.add_to_policy(grant.statement())
        acknowledge_wildcards(self.role, grants)

    def deny(self, denials: Sequence[Denial]) -> None:
        """Add to what the function's role may never do."""
        for denial in denials:
            self.denials.append(denial)
            self.role.add_to_policy(denial.statement())
