"""The environment: complete and understood, or refused by name."""

import pytest
from keyrotation.policy import Policy
from keyrotation.run.settings import Mode, Notify, RotatorSettings, ScannerSettings, SettingsError

ENVIRONMENT = {
    "MODE": "Audit",
    "MAX_KEY_AGE_DAYS": "90",
    "OVERLAP_DAYS": "14",
    "WARN_DAYS": "7",
    "QUIET_DAYS": "7",
    "QUIET_DAYS_BEFORE_FIRST_USE": "35",
    "IN_USE_EXTENSION_DAYS": "14",
    "UNUSED_DAYS": "90",
    "DELETE_AFTER_DAYS": "30",
    "MAX_USERS_PER_RUN": "100",
    "USER_PATH_PREFIX": "/",
    "SECRET_READER_ARNS": "",
    "SECRETS_KMS_KEY_ARN": "",
    "AWS_REGION": "eu-west-1",
    "ORDERS_QUEUE_URL": "https://sqs.eu-west-1.amazonaws.com/123456789012/orders.fifo",
    "ORDERS_QUEUE_ARN": "arn:aws:sqs:eu-west-1:123456789012:orders.fifo",
    "OWNER_TAG_KEYS": "access-key-rotation:owner,owner,Owner",
    "TOPIC_ARN": "arn:aws:sns:eu-west-1:123456789012:topic",
    "OWNERS_TOPIC_ARN": "arn:aws:sns:eu-west-1:123456789012:owners",
    "CHAT_TOPIC_ARN": "arn:aws:sns:eu-west-1:123456789012:chat",
    "ROTATOR_ROLE_ARN": "arn:aws-us-gov:iam::123456789012:role/access-key-rotation-rotator",
    "FUNCTION_TIMEOUT_SECONDS": "900",
    "NOTIFY": "Changes",
    "RUNBOOK_URL": "docs/runbook.md",
    "LOG_GROUP_NAME": "rotator-logs",
    "TABLE_NAME": "access-key-rotation",
}
SCANNER_READS = {
    name
    for name in ENVIRONMENT
    if name.endswith(("_DAYS", "_RUN", "QUEUE_URL", "_USE", "_PREFIX", "TABLE_NAME")) or name == "MODE"
}
ROTATOR_READS = set(ENVIRONMENT)


def test_a_complete_environment_is_understood() -> None:
    rotator = RotatorSettings.parse(ENVIRONMENT)
    assert rotator.mode is Mode.AUDIT
    assert rotator.policy == Policy()
    assert rotator.account == "123456789012"
    assert rotator.partition == "aws-us-gov"
    assert rotator.notify is Notify.CHANGES
    assert rotator.table_name == "access-key-rotation"
    scanner = ScannerSettings.parse(ENVIRONMENT)
    assert scanner.policy == Policy()
    assert scanner.mode is Mode.AUDIT
    assert scanner.table_name == "access-key-rotation"


def test_a_member_of_an_organization_tells_the_centre_and_has_no_topic() -> None:
    environment = {name: value for name, value in ENVIRONMENT.items() if not name.endswith("TOPIC_ARN")}
    member = RotatorSettings.parse({**environment, "CENTRE": "999988887777"})
    assert (member.centre, member.topic_arn) == ("999988887777", None)
    with pytest.raises(SettingsError, match=r"^CENTRE is 'o-abc': not the 12 digits of an AWS account$"):
        RotatorSettings.parse({**environment, "CENTRE": "o-abc"})


@pytest.mark.parametrize("name", sorted(SCANNER_READS))
def test_the_scanner_refuses_an_environment_without(name: str) -> None:
    with pytest.raises(SettingsError, match=rf"^{name} is missing$"):
        ScannerSettings.parse({key: value for key, value in ENVIRONMENT.items() if key != name})


@pytest.mark.parametrize("name", sorted(ROTATOR_READS))
def test_the_rotator_refuses_an_environment_without(name: str) -> None:
    with pytest.raises(SettingsError, match=rf"^{name} is missing$"):
        RotatorSettings.parse({key: value for key, value in ENVIRONMENT.items() if key != name})


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("MODE", "enforce", "MODE is 'enforce': not one of Audit, Enforce"),
        ("NOTIFY", "Never", "NOTIFY is 'Never': not one of Changes, Problems, Always"),
        ("WARN_DAYS", "a week", r"WARN_DAYS \(parameter WarnDays\) is 'a week': not a whole number"),
        ("WARN_DAYS", "7.5", "not a whole number"),
        ("WARN_DAYS", "-7", "WarnDays is -7: it cannot be negative"),
        ("OVERLAP_DAYS", "41", "MaxKeyAgeDays=90, OverlapDays=41"),
        ("TABLE_NAME", "", "TABLE_NAME is '': empty"),
        ("FUNCTION_TIMEOUT_SECONDS", "0", "not a positive number"),
        ("TOPIC_ARN", "topic", "TOPIC_ARN is 'topic': not an ARN"),
        (
            "OWNER_TAG_KEYS",
            "owner,",
            r"OWNER_TAG_KEYS \(parameter OwnerTagKeys\).*'' is not the key of a tag",
        ),
        ("OWNER_TAG_KEYS", "a,b,c,d,e,f", "OWNER_TAG_KEYS .*more than 5 tag keys"),
        ("AWS_REGION", "", "AWS_REGION is '': empty"),
        (
            "USER_PATH_PREFIX",
            "apps/",
            r"USER_PATH_PREFIX \(parameter UserPathPrefix\) is 'apps/': not an IAM path",
        ),
        (
            "SECRET_READER_ARNS",
            "*",
            r"SECRET_READER_ARNS \(parameter SecretReaderArns\).*'\*' is not the ARN of one",
        ),
        ("SECRETS_KMS_KEY_ARN", "alias/mine", r"\(parameter SecretsKmsKeyArn\).*not the ARN of a KMS key"),
    ],
)
def test_a_value_that_is_not_understood_is_refused_by_name(name: str, value: str, told: str) -> None:
    with pytest.raises(SettingsError, match=told):
        RotatorSettings.parse({**ENVIRONMENT, name: value})


@pytest.mark.parametrize(
    "prefix",
    [
        "",
        "apps",
        "/apps",
        "apps/",
        "/a*/",
        "/a?/",
        "/${aws:username}/",
        "/a b/",
        "/é/",
        "/" + "x" * 511 + "/",
    ],
)
def test_a_path_that_iam_does_not_know_or_that_means_more_than_itself_is_refused(prefix: str) -> None:
    with pytest.raises(SettingsError, match="UserPathPrefix"):
        ScannerSettings.parse({**ENVIRONMENT, "USER_PATH_PREFIX": prefix})


@pytest.mark.parametrize("prefix", ["/", "/apps/", "/a/b/c/", "/a.b,c+d=e@f_g-h/", "/" + "x" * 510 + "/"])
def test_a_path_of_iam_is_taken(prefix: str) -> None:
    assert ScannerSettings.parse({**ENVIRONMENT, "USER_PATH_PREFIX": prefix}).user_path_prefix == prefix
    assert RotatorSettings.parse({**ENVIRONMENT, "USER_PATH_PREFIX": prefix}).user_path_prefix == prefix


@pytest.mark.parametrize(
    "readers",
    [
        "arn:aws:iam::123456789012:root",
        "123456789012",
        "arn:aws:iam::123456789012:role/*",
        "arn:aws:iam::123456789012:role/apps/",
        "arn:aws:iam::123456789012:group/admins",
        "arn:aws:sts::123456789012:assumed-role/reader/session",
        "arn:aws:iam::123456789012:role/reader,",
        ",",
    ],
)
def test_a_reader_that_is_not_one_user_or_role_is_refused(readers: str) -> None:
    with pytest.raises(SettingsError, match="SecretReaderArns"):
        RotatorSettings.parse({**ENVIRONMENT, "SECRET_READER_ARNS": readers})


def test_readers_are_users_and_roles_of_any_partition() -> None:
    readers = (
        "arn:aws:iam::123456789012:role/reader",
        "arn:aws-cn:iam::123456789012:user/people/ann",
        "arn:aws-us-gov:iam::123456789012:role/service-role/sync_1",
    )
    parsed = RotatorSettings.parse({**ENVIRONMENT, "SECRET_READER_ARNS": ",".join(readers)})
    assert parsed.secret_reader_arns == readers
    assert RotatorSettings.parse(ENVIRONMENT).secret_reader_arns == ()


def test_the_key_of_the_secrets_is_one_by_its_arn_or_none() -> None:
    arn = "arn:aws-cn:kms:cn-north-1:123456789012:key/mrk-0123456789abcdef"
    assert RotatorSettings.parse({**ENVIRONMENT, "SECRETS_KMS_KEY_ARN": arn}).secrets_kms_key_arn == arn
    assert RotatorSettings.parse(ENVIRONMENT).secrets_kms_key_arn is None
    for other in (
        "arn:aws:kms:eu-west-1:123456789012:alias/mine",
        "arn:aws:kms:eu-west-1:123456789012:key/*",
    ):
        with pytest.raises(SettingsError, match="SecretsKmsKeyArn"):
            RotatorSettings.parse({**ENVIRONMENT, "SECRETS_KMS_KEY_ARN": other})


def test_every_problem_is_told_at_once() -> None:
    with pytest.raises(SettingsError) as refused:
        RotatorSettings.parse({"MODE": "?"})
    told = str(refused.value)
    assert all(name in told for name in ROTATOR_READS)


def test_a_number_as_cloudformation_may_hand_it_on_is_taken() -> None:
    assert ScannerSettings.parse({**ENVIRONMENT, "WARN_DAYS": "7.0"}).policy.warn_days == 7


def test_no_more_readers_are_taken_than_an_environment_holds() -> None:
    readers = [f"arn:aws:iam::123456789012:role/reader-{number}" for number in range(21)]
    RotatorSettings.parse({**ENVIRONMENT, "SECRET_READER_ARNS": ",".join(readers[:20])})
    with pytest.raises(SettingsError, match="more than 20"):
        RotatorSettings.parse({**ENVIRONMENT, "SECRET_READER_ARNS": ",".join(readers)})


def test_readers_whose_arns_are_too_long_together_for_an_environment_are_refused() -> None:
    role = "arn:aws:iam::123456789012:role"
    readers = [f"{role}/{'deep/' * 20}reader-{number}" for number in range(20)]
    with pytest.raises(SettingsError, match="more than 2200 characters together"):
        RotatorSettings.parse({**ENVIRONMENT, "SECRET_READER_ARNS": ",".join(readers)})
    RotatorSettings.parse({**ENVIRONMENT, "SECRET_READER_ARNS": ",".join(readers[:14])})


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("WARN_DAYS", "0", "WarnDays must be 1 or more (WarnDays=0)"),
        ("WARN_DAYS", "15", "OverlapDays must be WarnDays or more (OverlapDays=14, WarnDays=15)"),
        (
            "IN_USE_EXTENSION_DAYS",
            "6",
            "InUseExtensionDays must be WarnDays or more (InUseExtensionDays=6, WarnDays=7)",
        ),
        ("OVERLAP_DAYS", "7", "OverlapDays must be more than QuietDays (OverlapDays=7, QuietDays=7)"),
        (
            "MAX_KEY_AGE_DAYS",
            "64",
            "MaxKeyAgeDays must be 2 x OverlapDays + 2 or more above QuietDaysBeforeFirstUse and WarnDays",
        ),
        (
            "UNUSED_DAYS",
            "35",
            "UnusedDays must be 0, or more than QuietDaysBeforeFirstUse and than WarnDays (UnusedDays=35,",
        ),
    ],
)
def test_days_that_do_not_fit_together_are_refused_by_both_functions_with_the_values_that_clash(
    name: str, value: str, told: str
) -> None:
    for settings in (ScannerSettings, RotatorSettings):
        with pytest.raises(SettingsError) as refused:
            settings.parse({**ENVIRONMENT, name: value})
        assert str(refused.value).startswith(told)
