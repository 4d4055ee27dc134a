"""A member of an organization: the same rotation, which tells the organization's centre instead of a topic of its own.

No topic, key, alarm or dashboard: the centre notices when a report is missing. CloudFormation alone deploys it, without
a bootstrap: the code comes from the centre's bucket, which the organization may read.
"""

import aws_cdk as cdk
from aws_cdk import aws_lambda as lam
from aws_cdk import aws_s3 as s3
from constructs import Construct

from infra import permissions
from infra.enforcement import enforce
from infra.function import TIMEOUT_SECONDS
from infra.grants import Granted
from infra.memory import Memory
from infra.orders import Orders
from infra.outputs import add_outputs
from infra.parameters import Centre
from infra.rotator import Rotator
from infra.scanner import Scanner
from infra.schedule import Schedule
from infra.version import VERSION


def reports_bucket_name(centre: str, region: str) -> str:
    """Known to both sides by the centre's account and the Region (keyrotation.tell.reports.bucket_of)."""
    return f"access-key-rotation-reports-{centre}-{region}"


def code_bucket_name(centre: str, region: str) -> str:
    return f"access-key-rotation-code-{centre}-{region}"


class ToTheCentre:
    """How a member tells: its own report and the centre's word for it, in the centre's bucket (`telling.Telling`)."""

    def __init__(self, stack: cdk.Stack, *, centre: str) -> None:
        bucket = f"arn:{stack.partition}:s3:::{reports_bucket_name(centre, stack.region)}"
        self.environment = {
            "CENTRE": centre,
            # The centre decides what its mail says.
            "NOTIFY": "Always",
            # Metrics of one's own cost more than all the rest, and no alarm of a member reads them.
            "POWERTOOLS_METRICS_DISABLED": "true",
        }
        self.grants = permissions.telling_the_centre(
            report_arn=f"{bucket}/reports/{stack.account}/latest.json",
            word_arn=f"{bucket}/heard/{stack.account}.json",
        )


class Member(cdk.Stack):
    """Everything that one account of an organization needs. `code_key`: the object in the centre's bucket of code."""

    def __init__(self, scope: Construct, construct_id: str, *, code_key: str) -> None:
        super().__init__(
            scope,
            construct_id,
            description=f"Rotates the access keys of this account's IAM users, and reports to its organization "
            f"(access-key-rotation {VERSION})",
            # It has no assets of its own: nothing of a bootstrap is asked for where it is deployed.
            synthesizer=cdk.LegacyStackSynthesizer(),
        )
        parameters = Centre(stack=self)
        centre = parameters.centre_account_id.value_as_string
        released = s3.Bucket.from_bucket_name(self, "Code", code_bucket_name(centre, self.region))
        cdk.Validations.of(released).acknowledge(
            cdk.Acknowledgment(
                id="Annotation::@aws-cdk/aws-lambda:codeFromBucketObjectVersionNotSpecified",
                reason="The object's name is the hash of what is in it: other code is another object, and another template.",
            )
        )
        code = lam.Code.from_bucket(released, code_key)
        telling = ToTheCentre(self, centre=centre)
        orders = Orders(self, "Orders", consumer_timeout=cdk.Duration.seconds(TIMEOUT_SECONDS))
        scanner = Scanner(self, "Scanner", code=code, parameters=parameters, orders=orders)
        scanner.function.add_environment("POWERTOOLS_METRICS_DISABLED", "true")
        rotator = Rotator(self, "Rotator", code=code, parameters=parameters, orders=orders, telling=telling)
        memory = Memory(self, "Memory", writer=rotator.role)
        enforcing = enforce(self, parameters=parameters, role=rotator.role, function=rotator.function)

        orders.pass_only(sender=scanner.role, taker=rotator.role, operators=parameters.operators)
        orders.feed(rotator.function)
        schedule = Schedule(
            self,
            "Daily",
            function=scanner.function,
            run_at=parameters.run_at,
            time_zone=parameters.time_zone,
            operators=parameters.operators,
        )
        scanner.allow(permissions.scanner_failures(dead_letters_arn=schedule.dead_letters.queue_arn))
        schedule.resource.node.add_dependency(orders)
        add_outputs(
            self,
            parameters=parameters,
            told_by={"Centre": centre},
            orders=orders,
            memory=memory,
            scanner=scanner,
            rotator=rotator,
            schedule=schedule,
        )
        self.granted = (
            Granted(role="scanner", when="always", grants=scanner.grants),
            Granted(role="rotator", when="always", grants=rotator.grants, denials=rotator.denials),
            *enforcing,
            Granted(role="schedule", when="always", grants=schedule.grants),
        )
