"""What a permission is made of: an Allow or a Deny, what it is about, and why it is there."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from constructs import IConstruct


@dataclass(frozen=True, kw_only=True)
class Resource:
    """What an Allow is about. One with a wildcard says why, and as what cdk-nag finds it."""

    arn: str
    wildcard_found_as: str = ""
    wildcard_because: str = ""


@dataclass(frozen=True, kw_only=True)
class Grant:
    """An Allow, and who in the code makes these calls."""

    actions: Sequence[str]
    resource: Resource
    needed_by: str
    conditions: dict[str, dict[str, object]] = field(default_factory=dict)

    def statement(self) -> iam.PolicyStatement:
        return iam.PolicyStatement(
            actions=list(self.actions), resources=[self.resource.arn], conditions=dict(self.conditions)
        )


@dataclass(frozen=True, kw_only=True)
class Denial:
    """A Deny on everything: what the role cannot do, whatever another policy allows it."""

    actions: Sequence[str]
    because: str

    def statement(self) -> iam.PolicyStatement:
        # cdk-nag looks at what is allowed only: the wildcard of a Deny is no finding.
        return iam.PolicyStatement(effect=iam.Effect.DENY, actions=list(self.actions), resources=["*"])


@dataclass(frozen=True, kw_only=True)
class Granted:
    """For docs/permissions.md: what a role has, and in which case."""

    role: str
    when: str
    grants: Sequence[Grant]
    denials: Sequence[Denial] = ()


def acknowledge_wildcards(construct: IConstruct, grants: Iterable[Grant]) -> None:
    """Tell cdk-nag why what it finds in this construct's policy has to be."""
    resources = {grant.resource.wildcard_found_as: grant.resource for grant in grants}
    for found_as, resource in resources.items():
        if found_as:
            cdk.Validations.of(construct).acknowledge(
                cdk.Acknowledgment(
                    id=f"AwsSolutions-IAM5[Resource::{found_as}]", reason=resource.wildcard_because
                )
            )
