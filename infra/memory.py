"""The memory: the table that says what was done and told, an item per user. It outlives the stack."""

import aws_cdk as cdk
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from constructs import Construct

# Literal and the same in every deployment: CloudFormation takes a kept table over by its name alone, and only by a name
# that is no reference to anything.
TABLE_NAME = "access-key-rotation"
# Transactions are authorized as the single writes that they are made of.
WRITES = [
    "dynamodb:BatchWriteItem",
    "dynamodb:DeleteItem",
    "dynamodb:PartiQLDelete",
    "dynamodb:PartiQLInsert",
    "dynamodb:PartiQLUpdate",
    "dynamodb:PutItem",
    "dynamodb:UpdateItem",
]
# A time to live deletes items in DynamoDB's own name, past the Deny of writes; a deleted table makes room for a forged one.
FORGETTING = ["dynamodb:DeleteTable", "dynamodb:UpdateTimeToLive"]


def table_arn(stack: cdk.Stack) -> str:
    """The table's ARN, made of its name: its policy cannot refer to the table that it is a property of."""
    return stack.format_arn(service="dynamodb", resource="table", resource_name=TABLE_NAME)


class Memory(Construct):
    """The table. Nobody but `writer` writes items, whatever their own policies say, and nobody deletes it.

    Not denied are UpdateTable and the table's policy: CloudFormation needs them, under a role whose name is the
    bootstrap's. Whoever may change the stack, or this policy, may change what is remembered.
    """

    def __init__(self, scope: Construct, construct_id: str, *, writer: iam.IRole) -> None:
        super().__init__(scope, construct_id)
        # Table and not TableV2: an AWS::DynamoDB::GlobalTable is one that other Regions could be added to, and the
        # emulator keeps neither its protection nor its policy.
        self.table = dynamodb.Table(
            self,
            "Table",
            table_name=TABLE_NAME,
            partition_key=dynamodb.Attribute(name="user_id", type=dynamodb.AttributeType.STRING),
            billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
            # With a key of our own, whoever disables that key takes the memory away. There are no secrets in it.
            encryption=dynamodb.TableEncryption.DEFAULT,
            point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
                point_in_time_recovery_enabled=True
            ),
            deletion_protection=True,
            # Also when the first deployment fails: the next one takes it over, and a deletion would be refused.
            removal_policy=cdk.RemovalPolicy.RETAIN,
            resource_policy=iam.PolicyDocument(
                statements=[
                    self._deny(
                        "OnlyTheRotatorWrites",
                        WRITES,
                        conditions={"StringNotEquals": {"aws:PrincipalArn": writer.role_arn}},
                    ),
                    self._deny("NobodyDeletesOrExpires", FORGETTING),
                ]
            ),
        )

    def _deny(
        self, sid: str, actions: list[str], *, conditions: dict[str, object] | None = None
    ) -> iam.PolicyStatement:
        return iam.PolicyStatement(
            sid=sid,
            effect=iam.Effect.DENY,
            principals=[iam.AnyPrincipal()],
            actions=actions,
            resources=[table_arn(cdk.Stack.of(self))],
            conditions=conditions,
        )
