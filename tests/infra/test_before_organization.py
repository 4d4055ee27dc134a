"""`make organization` refuses what cannot be deployed so, before anything is; and explains what it cannot see."""

from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from infra.before_organization import EXPLAINED, Here, main, problems

CENTRE, MANAGEMENT, ORGANIZATION = "999988887777", "111122223333", "o-abcdefghij"
UNITS, STRICT = "ou-ab12-cdefgh34", "ou-ab12-strict99"
HERE = Here(account=CENTRE, organization=ORGANIZATION, management=MANAGEMENT, delegated=True)
MEANT = [f"OrganizationId={ORGANIZATION}", f"OrganizationalUnitIds={UNITS}"]


def refused(*more: str, here: Here = HERE, deployed: dict[str, str] | None = None) -> list[str]:
    return problems([*MEANT, *more], deployed=deployed or {}, here=here)


def test_what_is_meant_is_let_through() -> None:
    assert refused(f"EnforceOrganizationalUnitIds={STRICT}", "AlertEmail=security@example.com") == []


def test_what_is_deployed_need_not_be_said_again() -> None:
    deployed = {"OrganizationId": ORGANIZATION, "OrganizationalUnitIds": UNITS}
    assert problems(["OverlapDays=20"], deployed=deployed, here=HERE) == []


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ([], ["OrganizationId is missing", "OrganizationalUnitIds is missing"]),
        (["OrganizationId=123", f"OrganizationalUnitIds={UNITS}"], ["OrganizationId must be"]),
        ([*MEANT, "OrganizationUnits=x"], ["there is no parameter OrganizationUnits"]),
        (
            [*MEANT, f"EnforceOrganizationalUnitIds={STRICT},{UNITS}"],
            [f"{UNITS} is in OrganizationalUnitIds and"],
        ),
        ([*MEANT, "RunAt=12:00"], ["DigestAt=10:00 is not after RunAt=12:00"]),
        ([*MEANT, "MaxKeyAgeDays=30"], ["2 x OverlapDays"]),
    ],
)
def test_what_cannot_be_meant_is_refused(parameters: list[str], said: list[str]) -> None:
    found = problems(parameters, deployed={}, here=HERE)
    assert len(found) == len(said)
    assert all(words in problem for words, problem in zip(said, found, strict=True)), found


@pytest.mark.parametrize(
    ("here", "more", "said"),
    [
        (
            Here(account=CENTRE, organization="o-otherother", management=MANAGEMENT, delegated=True),
            (),
            "and this account is in o-otherother",
        ),
        (
            Here(account=CENTRE, organization=ORGANIZATION, management=CENTRE, delegated=False),
            (),
            "is the management account",
        ),
        (HERE, ("CallAs=SELF",), "CallAs=SELF is for the management account"),
        (
            Here(account=CENTRE, organization=ORGANIZATION, management=MANAGEMENT, delegated=False),
            (),
            "register-delegated-administrator --account-id 999988887777",
        ),
    ],
)
def test_an_account_that_cannot_deploy_so_is_refused_with_what_to_do(
    here: Here, more: tuple[str, ...], said: str
) -> None:
    (problem,) = refused(*more, here=here)
    assert said in problem


def test_the_management_account_may_be_the_centre_if_that_is_said() -> None:
    here = Here(account=CENTRE, organization=ORGANIZATION, management=CENTRE, delegated=False)
    assert refused("CallAs=SELF", here=here) == []


def test_it_looks_at_the_organization_with_the_callers_credentials_and_explains_what_it_cannot_see(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    made = []

    def client(*names: Any, **options: Any) -> Any:
        made.append(boto3.client(*names, **options))
        return made[-1]

    with mock_aws():
        organizations = client("organizations", region_name="eu-west-1")
        known = organizations.create_organization(FeatureSet="ALL")["Organization"]["Id"]
        code = main(
            [f"OrganizationId={known}", f"OrganizationalUnitIds={UNITS}"],
            environment={"AWS_REGION": "eu-west-1"},
            client=client,
        )
    for each in made:
        each.close()
    said = capsys.readouterr().err
    # moto's one account is the management account.
    assert code == 1
    assert "is the management account" in said
    assert said.endswith(EXPLAINED)


def test_an_organization_that_cannot_be_looked_at_is_not_deployed_to(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def client(*_names: Any, **_options: Any) -> Any:
        raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "DescribeOrganization")

    assert main(MEANT, environment={}, client=client) == 1
    assert "refused: the organization could not be looked at" in capsys.readouterr().err
