"""A Lambda function as this stack has them: its own role, its own log group, the shared code."""

from collections.abc import Mapping

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lam
from aws_cdk import aws_logs as logs
from constructs import Construct

# Lambda's own maximum. A run over 5,000 users takes minutes, and one that is cut short is only finished tomorrow.
TIMEOUT_SECONDS = 900


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
        role_name: str | None = None,
    ) -> None:
        super().__init__(scope, construct_id)
        self.role = iam.Role(
            self,
            "Role",
            role_name=role_name,
            description=description,
            assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"),
        )
        # The log holds each run's full report: evidence that an audit may ask for a year later, and after the
        # stack is gone, so deleting the stack keeps it (a deployment that failed leaves none behind).
        self.log_group = logs.LogGroup(
            self,
            "Logs",
            retention=logs.RetentionDays.ONE_YEAR,
            removal_policy=cdk.RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE,
        )
        self.allow(
            iam.PolicyStatement(
                actions=["logs:CreateLogStream", "logs:PutLogEvents"],
                resources=[self.log_group.log_group_arn],
            )
        )
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
                "POWERTOOLS_METRICS_NAMESPACE": "AccessKeyRotation",
                "POWERTOOLS_LOG_LEVEL": "INFO",
                **environment,
            },
        )

    def allow(self, *statements: iam.PolicyStatement) -> None:
        """Add to what the function's role may always do."""
        for statement in statements:
            self.role.add_to_policy(statement)
