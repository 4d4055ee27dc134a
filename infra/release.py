"""The release: the bucket from which CloudFormation takes the code in every account of the organization, and nobody else does."""

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from constructs import Construct

from infra.buckets import kept_bucket
from infra.member import code_bucket_name
from infra.parameters import ORGANIZATION_ID
from infra.version import VERSION


class Release(cdk.Stack):
    """Deployed first: the code and the template of the accounts are put into its bucket."""

    def __init__(self, scope: Construct, construct_id: str) -> None:
        super().__init__(
            scope,
            construct_id,
            description=f"Code of the access key rotation, for an organization (access-key-rotation {VERSION})",
            termination_protection=True,
            synthesizer=cdk.LegacyStackSynthesizer(),
        )
        organization_id = cdk.CfnParameter(
            self,
            "OrganizationId",
            allowed_pattern=ORGANIZATION_ID,
            description="The organization whose accounts may read the code.",
            constraint_description="OrganizationId must be o- and 10 to 32 letters and digits.",
        )
        bucket = kept_bucket(self, "Code", name=code_bucket_name(self.account, self.region))
        bucket.add_to_resource_policy(
            iam.PolicyStatement(
                sid="TheOrganizationReads",
                # Whoever calls CloudFormation in an account: its own role, or that of StackSets.
                principals=[iam.AnyPrincipal()],
                actions=["s3:GetObject"],
                resources=[bucket.arn_for_objects("*")],
                conditions={"StringEquals": {"aws:PrincipalOrgID": organization_id.value_as_string}},
            )
        )
        cdk.CfnOutput(self, "CodeBucket", value=bucket.bucket_name)
