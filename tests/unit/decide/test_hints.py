"""Hints are recognised by what AWS shows, say what to do, and have no way to change what is done."""

import ast
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from keyrotation.decide.hints import Sign, hints_of
from keyrotation.memory import Memory, Vanished
from keyrotation.model import UNASKED, Key, LastUse, Unasked, Use, User

CODE = Path(__file__).parents[3] / "functions"
MADE = datetime(2026, 9, 1, tzinfo=UTC)
ID = "AKIAHINTHINTHINTHINT"


def user(
    name: str = "etl", *, service: str = "s3", tags: dict[str, str] | None = None, asked: bool = True
) -> User:
    last_use: LastUse | Unasked = LastUse(at=MADE, service=service, region="eu-central-1")
    key = Key(id=ID, status="Active", created=MADE, last_use=last_use if asked else UNASKED)
    return User(name=name, id="AIDA", keys=(key,), tags=tags or {})


def signs(seen: User, *agents: str) -> list[Sign]:
    uses = [Use(source="192.0.2.1", user_agent=agent, events=("GetObject",)) for agent in agents]
    return [hint.sign for hint in hints_of(seen, uses)]


@pytest.mark.parametrize(
    ("seen", "sign"),
    [
        (user(service="ses"), Sign.SMTP),
        (user("ses-smtp-user.20250101-101010"), Sign.SMTP),
        (user("ses-smtp-user.20250101-101010", asked=False), Sign.SMTP),
        (user(tags={"aws:cloudformation:stack-name": "mail"}), Sign.CLOUDFORMATION),
        (user(tags={"ManagedBy": "Terraform"}), Sign.TERRAFORM),
        (user(tags={"terraform": "true"}), Sign.TERRAFORM),
        (user(tags={"provisioner": "OpenTofu 1.8"}), Sign.TERRAFORM),
        (user(tags={"pulumi:project": "mail"}), Sign.PULUMI),
        (user(tags={"crossplane-name": "ci-uploader"}), Sign.CROSSPLANE),
    ],
)
def test_who_manages_a_user_is_known_by_its_tags_and_mail_by_the_service_or_the_consoles_name(
    seen: User, sign: Sign
) -> None:
    assert signs(seen) == [sign]


@pytest.mark.parametrize(
    ("agent", "sign"),
    [
        (
            "APN/1.0 HashiCorp/1.0 Terraform/1.9.8 (+https://www.terraform.io) terraform-provider-aws/5.75.0 aws-sdk-go-v2/1.32",
            Sign.TERRAFORM,
        ),
        ("APN/1.0 Pulumi/1.0 PulumiAws/6.0 aws-sdk-go-v2/1.30", Sign.PULUMI),
        ("aws-sdk-go-v2/1.11.0 (go1.16; linux; amd64) Crossplane", Sign.CROSSPLANE),
        ("Vault/1.17.2 (+https://www.vaultproject.io/; aws; go1.22.5)", Sign.VAULT),
        ("Vault (+https://www.vaultproject.io/; go1.19.5)", Sign.VAULT),
        ("aws-sdk-nodejs/2.1 configure-aws-credentials-for-github-actions", Sign.GITHUB),
    ],
)
def test_who_uses_a_key_is_known_by_the_program_that_cloudtrail_recorded(agent: str, sign: Sign) -> None:
    assert signs(user(), agent, agent) == [sign]


@pytest.mark.parametrize(
    "seen",
    [
        user(),
        user(tags={"access-key-rotation:owner": "team terraform"}),
        user(tags={ID: "used by terraform cloud"}),
        user(tags={"team": "terraformers", "pet": "pulumix"}),
        user(tags={"purpose": "not for crossplane-name"}),
        user("press-smtp"),
        user(service="session-manager"),
        user(asked=False),
    ],
)
def test_of_other_users_nothing_is_known(seen: User) -> None:
    assert signs(seen, "aws-cli/2.15.0", "aws-vault/6.5.0 aws-sdk-go-v2/1.13.0", "unknown") == []


def test_a_key_that_another_tool_deleted_is_a_hint_of_it() -> None:
    memory = Memory(user_id="AIDA", vanished=Vanished(key_id=ID, on=MADE.date()))
    assert signs(replace(user(), memory=memory)) == [Sign.OTHER_TOOL]


def test_several_are_told_each_once() -> None:
    seen = user("ses-smtp-user.1", service="ses", tags={"terraform": "yes", "ManagedBy": "terraform"})
    assert signs(seen, *["Vault/1.17.2 (+https://www.vaultproject.io/; go1.22.5)"] * 2) == [
        Sign.SMTP,
        Sign.TERRAFORM,
        Sign.VAULT,
    ]


def test_every_hint_says_what_to_do_in_whole_sentences_and_quotes_nobody() -> None:
    tags = {"aws:cloudformation:stack-name": "https://evil.example", "crossplane-kind": "x", "pulumi": "x"}
    found = hints_of(replace(user(service="ses"), tags=tags))
    assert len(found) == 4
    for hint in found:
        assert hint.text.endswith(".")
        assert "evil" not in hint.text
        assert len(hint.text) <= 400


def test_nothing_that_decides_or_acts_knows_of_hints() -> None:
    """Only what tells, and the preview, may ask for them."""
    asking = {
        path.relative_to(CODE / "keyrotation").parts[0]
        for path in CODE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and node.module == "keyrotation.decide.hints"
    }
    assert "tell" in asking
    assert asking <= {"tell", "preview"}
