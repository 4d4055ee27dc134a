"""The centre of an organization, in an account of its own: code for every account, their reports, and one digest a day.

    python -m infra.organization          synthesizes both stacks and the accounts' template, for `make organization`

Nothing here may act in another account: StackSets deploy, each account rotates its own keys, and the centre reads what
they leave in its bucket.
"""

import json
from pathlib import Path

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lam
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_s3_assets as s3_assets
from aws_cdk import aws_scheduler as scheduler
from aws_cdk import aws_sns as sns
from constructs import Construct

from infra import bundle, permissions
from infra.alarms import alarm_name
from infra.buckets import kept_bucket
from infra.function import Function
from infra.grants import Granted, Resource
from infra.member import Member, code_bucket_name, reports_bucket_name
from infra.parameters import Organization
from infra.release import Release
from infra.rotator import ROLE_NAME
from infra.topic import Topic, nobody_else_speaks
from infra.version import VERSION

STACK_SET_NAME = "AccessKeyRotation"
ALARMS = ("DigestErrors", "DigestSilence")
# The CDK CLI puts in the account and the Region that it deploys to, and uploads with the caller's own credentials.
_CODE_BUCKET = code_bucket_name("${AWS::AccountId}", "${AWS::Region}")


class Centre(cdk.Stack):
    """What one account of the organization has for all: it deploys by StackSets, and it tells."""

    def __init__(self, scope: Construct, construct_id: str, *, members: Path) -> None:
        """`members`: where the accounts' template is synthesized."""
        super().__init__(
            scope,
            construct_id,
            description=f"The access key rotation of an organization: its accounts, their reports, one digest a day "
            f"(access-key-rotation {VERSION})",
            termination_protection=True,
            synthesizer=cdk.CliCredentialsStackSynthesizer(file_assets_bucket_name=_CODE_BUCKET),
        )
        parameters = Organization(stack=self)
        code = bundle.asset(self, "Code")
        template = s3_assets.Asset(
            self, "MemberTemplate", path=str(member_template(members, code_key=code.s3_object_key))
        )
        topic = Topic(self, "Digests", alert_email=parameters.alert_email, alarms=ALARMS)
        accounts_topic = sns.Topic(
            self, "Accounts", display_name="Access key rotation", master_key=topic.key, enforce_ssl=True
        )
        reports = kept_bucket(self, "Reports", name=reports_bucket_name(self.account, self.region))
        digest = Function(
            self,
            "Digest",
            description="Makes one digest of all accounts' reports, and says to each what was heard",
            handler="digest.handler",
            code=bundle.code(),
            log_retention_days=parameters.log_retention_days,
            environment={
                "REPORTS_BUCKET": reports.bucket_name,
                "TOPIC_ARN": topic.topic.topic_arn,
                "ACCOUNTS_TOPIC_ARN": accounts_topic.topic_arn,
                "STACK_SET_NAME": STACK_SET_NAME,
                "CALL_AS": parameters.call_as.value_as_string,
            },
        )
        digest.allow(
            permissions.digest(
                # Spelled out, and no reference: by that cdk-nag and the page of permissions know it.
                bucket_arn=f"arn:{self.partition}:s3:::{reports_bucket_name(self.account, self.region)}",
                topic_arn=topic.topic.topic_arn,
                accounts_topic_arn=accounts_topic.topic_arn,
                stack_set=_stack_set(self),
            )
        )
        digest.deny(permissions.digest_never())
        topic.speak_only_for(digest.role, through_sns=permissions.through(self, "sns"))
        nobody_else_speaks(accounts_topic, digest.role)
        _each_its_own(reports, organization_id=parameters.organization_id.value_as_string, digest=digest.role)
        _daily(self, digest.function, parameters)
        _alarms(self, digest.function, topic.topic)
        _stack_set_of_members(self, template_url=template.http_url, parameters=parameters)
        for name, value in {
            "ReportsBucket": reports.bucket_name,
            "DigestName": digest.function.function_name,
            "TopicArn": topic.topic.topic_arn,
            "AccountsTopicArn": accounts_topic.topic_arn,
            "DigestNow": f"aws lambda invoke --region {self.region} --cli-read-timeout 900 --function-name "
            f"{digest.function.function_name} /dev/stdout",
            "Table": f"aws s3 cp s3://{reports.bucket_name}/table.csv -",
            "Version": VERSION,
        }.items():
            cdk.CfnOutput(self, name, value=value)
        self.granted = (Granted(role="digest", when="always", grants=digest.grants, denials=digest.denials),)


def member_template(outdir: Path, *, code_key: str) -> Path:
    """The accounts' template, written densely, with the code by this name in the centre's bucket."""
    app = cdk.App(outdir=str(outdir), context=_feature_flags())
    stack = Member(app, "AccessKeyRotation", code_key=code_key)
    template = app.synth().get_stack_by_name(stack.stack_name).template
    path = outdir / "member.template.json"
    path.write_text(json.dumps(template, separators=(",", ":")))
    return path


def _feature_flags() -> dict[str, object]:
    """The CLI gives cdk.json's to an app that it starts, and to no other."""
    context: dict[str, object] = json.loads((Path(__file__).resolve().parents[1] / "cdk.json").read_text())[
        "context"
    ]
    return context


def _stack_set(stack: cdk.Stack) -> Resource:
    return Resource(
        arn=f"arn:{stack.partition}:cloudformation:{stack.region}:*:stackset/{STACK_SET_NAME}:*",
        wildcard_found_as=f"arn:<AWS::Partition>:cloudformation:<AWS::Region>:*:stackset/{STACK_SET_NAME}:*",
        wildcard_because="A StackSet that a delegated administrator made is the management account's, and its id is made when it "
        "is: neither is known here. The name bounds it, and it is only read.",
    )


def _each_its_own(bucket: s3.Bucket, *, organization_id: str, digest: iam.IRole) -> None:
    """An account's rotator writes its own report and reads its own word; nobody but the digest leaves a word."""
    rotators = {"ArnLike": {"aws:PrincipalArn": f"arn:*:iam::*:role/{ROLE_NAME}"}}
    of_the_organization = {"StringEquals": {"aws:PrincipalOrgID": organization_id}, **rotators}
    for sid, action, key in (
        ("EachWritesItsReport", "s3:PutObject", "reports/${aws:PrincipalAccount}/latest.json"),
        ("EachReadsItsWord", "s3:GetObject", "heard/${aws:PrincipalAccount}.json"),
    ):
        bucket.add_to_resource_policy(
            iam.PolicyStatement(
                sid=sid,
                principals=[iam.AnyPrincipal()],
                actions=[action],
                resources=[bucket.arn_for_objects(key)],
                conditions=of_the_organization,
            )
        )
    # This account's own administrators have policies of their own: a forged report would be read as an account's, and a
    # forged word would let keys go off of which nobody heard.
    for sid, prefix, unless in (
        ("NobodyElseReports", "reports/", {"ArnNotLike": rotators["ArnLike"]}),
        ("NobodyElseLeavesAWord", "heard/", {"StringNotEquals": {"aws:PrincipalArn": digest.role_arn}}),
    ):
        bucket.add_to_resource_policy(
            iam.PolicyStatement(
                sid=sid,
                effect=iam.Effect.DENY,
                principals=[iam.AnyPrincipal()],
                actions=["s3:PutObject"],
                resources=[bucket.arn_for_objects(f"{prefix}*")],
                conditions=unless,
            )
        )


def _daily(stack: cdk.Stack, function: lam.IFunction, parameters: Organization) -> None:
    role = iam.Role(
        stack,
        "DailyRole",
        description="Starts the daily digest: invokes the digest's function and nothing else",
        assumed_by=iam.ServicePrincipal(
            "scheduler.amazonaws.com", conditions={"StringEquals": {"aws:SourceAccount": stack.account}}
        ),
        inline_policies={
            "Start": iam.PolicyDocument(
                statements=[
                    iam.PolicyStatement(actions=["lambda:InvokeFunction"], resources=[function.function_arn])
                ]
            )
        },
    )
    at = parameters.digest_at.value_as_string
    hour, minute = (cdk.Fn.select(part, cdk.Fn.split(":", at)) for part in (0, 1))
    scheduler.CfnSchedule(
        stack,
        "Daily",
        description="Starts the daily digest of the organization's access keys",
        schedule_expression=f"cron({minute} {hour} * * ? *)",
        schedule_expression_timezone=parameters.time_zone.value_as_string,
        flexible_time_window=scheduler.CfnSchedule.FlexibleTimeWindowProperty(mode="OFF"),
        target=scheduler.CfnSchedule.TargetProperty(arn=function.function_arn, role_arn=role.role_arn),
    )


def _alarms(stack: cdk.Stack, function: lam.IFunction, topic: sns.ITopic) -> None:
    """Two, for a centre that cannot tell: after 50 hours no account switches anything off any more."""
    for name, metric, comparison, missing, says in (
        (
            "DigestErrors",
            function.metric_errors(period=cdk.Duration.minutes(5), statistic="Sum"),
            cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
            cloudwatch.TreatMissingData.NOT_BREACHING,
            "The digest failed; Lambda tries it twice more. First: read the error in its log.",
        ),
        (
            "DigestSilence",
            function.metric_invocations(period=cdk.Duration.days(1), statistic="Sum"),
            cloudwatch.ComparisonOperator.LESS_THAN_THRESHOLD,
            cloudwatch.TreatMissingData.BREACHING,
            "No digest was made for a day, or none yet (the output DigestNow makes one). First: see that the schedule is on.",
        ),
    ):
        cloudwatch.Alarm(
            stack,
            name,
            alarm_name=alarm_name(name),
            metric=metric,
            alarm_description=f"{says} Without a digest, no account switches off or deletes a key after 50 hours. The steps: "
            f"docs/organization.md, {name}.",
            comparison_operator=comparison,
            threshold=1,
            evaluation_periods=1,
            treat_missing_data=missing,
        ).add_alarm_action(actions.SnsAction(topic))


def _stack_set_of_members(stack: cdk.Stack, *, template_url: str, parameters: Organization) -> None:
    """An account that joins a unit gets its stack by itself, in Mode as it is set here; one that leaves keeps it.

    One Region: IAM is global, and the names of the rotator's role and of the table are fixed.
    """
    enforcing = cdk.CfnCondition(
        stack,
        "HasEnforce",
        expression=cdk.Fn.condition_not(
            cdk.Fn.condition_equals(
                cdk.Fn.join(",", parameters.enforce_organizational_unit_ids.value_as_list), ""
            )
        ),
    )
    values = {**parameters.passed_on(), "CentreAccountId": stack.account}

    def group(units: cdk.CfnParameter, **overrides: str) -> dict[str, object]:
        return {
            "Regions": [stack.region],
            "DeploymentTargets": {"OrganizationalUnitIds": units.value_as_list},
            **(
                {"ParameterOverrides": [_parameter(name, value) for name, value in overrides.items()]}
                if overrides
                else {}
            ),
        }

    enforce = group(parameters.enforce_organizational_unit_ids, Mode="Enforce")
    members = cdk.CfnStackSet(
        stack,
        "Members",
        stack_set_name=STACK_SET_NAME,
        description="The access key rotation in each account of the organization",
        permission_model="SERVICE_MANAGED",
        call_as=parameters.call_as.value_as_string,
        capabilities=["CAPABILITY_NAMED_IAM"],
        auto_deployment=cdk.CfnStackSet.AutoDeploymentProperty(
            enabled=True, retain_stacks_on_account_removal=True
        ),
        managed_execution={"Active": True},
        operation_preferences=cdk.CfnStackSet.OperationPreferencesProperty(
            failure_tolerance_percentage=10, max_concurrent_percentage=25
        ),
        template_url=template_url,
        parameters=[
            cdk.CfnStackSet.ParameterProperty(parameter_key=name, parameter_value=value)
            for name, value in values.items()
        ],
    )
    cdk.Validations.of(members).acknowledge(
        cdk.Acknowledgment(
            id="CloudFormation-Validate::F3031",
            reason="It puts the default of EnforceOrganizationalUnitIds, nothing, where the condition HasEnforce lets none but units be.",
        )
    )
    members.add_property_override(
        "StackInstancesGroup",
        [
            group(parameters.organizational_unit_ids),
            cdk.Fn.condition_if(enforcing.logical_id, enforce, cdk.Aws.NO_VALUE),
        ],
    )


def _parameter(name: str, value: str) -> dict[str, str]:
    return {"ParameterKey": name, "ParameterValue": value}


def organization(app: cdk.App) -> tuple[Release, Centre]:
    """Both stacks. The second takes its code out of the first one's bucket."""
    release = Release(app, "AccessKeyRotationRelease")
    centre = Centre(app, "AccessKeyRotationOrganization", members=Path(app.outdir) / "member")
    centre.add_stack_dependency(release)
    return release, centre


if __name__ == "__main__":
    root = cdk.App()
    organization(root)
    root.synth()
