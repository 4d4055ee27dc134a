"""The stack's parameters: what a team may set, checked by CloudFormation before anything changes.

CloudFormation cannot compare two parameters; the functions' settings refuse what does not fit together.
"""

import re
from dataclasses import dataclass
from functools import cached_property

import aws_cdk as cdk

# The printable characters of IAM's paths but `*`, `?` and `$`: in a policy's ARN they would be more than themselves.
IN_PATH = r"[!-#%-)+->@-~]"
# Of those that CloudWatch Logs takes, what an audit may still find useful.
LOG_RETENTION = (30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653)
LONGEST = 3650  # ten years: a date arithmetic that stays inside the calendar, whatever is typed


@dataclass(frozen=True, kw_only=True)
class Whole:
    """A whole number with its bounds."""

    name: str
    label: str
    default: int
    least: int
    most: int = LONGEST
    description: str


POLICY = (
    Whole(
        name="MaxKeyAgeDays",
        label="Threshold in days",
        default=90,
        least=10,
        description="An active access key is replaced and deactivated before it is this many days old.",
    ),
    Whole(
        name="OverlapDays",
        label="Overlap of old and new key in days",
        default=14,
        least=3,
        description="How many days the old and the new key both work.",
    ),
    Whole(
        name="WarnDays",
        label="Notice in days",
        default=7,
        least=1,
        description="At least so many days of notice before a key is deactivated or deleted, and before a replacement is issued.",
    ),
    Whole(
        name="QuietDays",
        label="Quiet days once the new key is used",
        default=7,
        least=2,
        description="Once the new key has been used, the old one counts as in use if used within this many days.",
    ),
    Whole(
        name="QuietDaysBeforeFirstUse",
        label="Quiet days until the new key is used",
        default=35,
        least=2,
        description="Until the new key has been used, the old one counts as in use if used within this many days.",
    ),
    Whole(
        name="InUseExtensionDays",
        label="Extension for a key in use in days",
        default=14,
        least=1,
        description="How many more days an old key stays on that is still in use on its day. After them it is deactivated, in use or not.",
    ),
    Whole(
        name="UnusedDays",
        label="Deactivate after this many unused days",
        default=90,
        least=0,
        description="A key not used for this many days is deactivated without a replacement. 0: never.",
    ),
    Whole(
        name="DeleteAfterDays",
        label="Delete after this many inactive days",
        default=30,
        least=0,
        description="An inactive key is deleted after this many days. 0: only when its place is needed for a new key.",
    ),
    Whole(
        name="MaxUsersPerRun",
        label="Users changed in one day at most",
        default=100,
        least=1,
        most=5000,
        description="At most this many users are changed in one day. The rest wait for the next day.",
    ),
)


# Of each member of a list of ARNs.
PRINCIPAL = (
    rf"^$|^arn:aws[a-z-]*:iam::[0-9]{{12}}:(user|role)/({IN_PATH}{{1,510}}/)?[A-Za-z0-9_+=.@-]{{1,64}}$"
)


ORGANIZATION_ID = "^o-[a-z0-9]{10,32}$"
# Of each member of a list.
UNIT = "^ou-[a-z0-9]{4,32}-[a-z0-9]{8,32}$|^r-[a-z0-9]{4,32}$"
# Of each key of a tag in a list: letters, digits and the marks that IAM allows.
TAG_KEY = r"^$|^[A-Za-z0-9 _.:/=+@-]{1,128}$"
_ON_CALL = "Who is on call"


class Parameters:
    """What every account has, in the stack's own scope: there the logical id is the name that people type.

    A subclass adds how the account tells what it did.
    """

    def __init__(self, *, stack: cdk.Stack) -> None:
        self.mode = cdk.CfnParameter(
            stack,
            "Mode",
            default="Audit",
            allowed_values=["Audit", "Enforce"],
            description="Audit: look and report, without any permission to change. Enforce: act.",
            constraint_description="Mode must be Audit or Enforce.",
        )
        self.user_path_prefix = cdk.CfnParameter(
            stack,
            "UserPathPrefix",
            default="/",
            # Narrower than IAM's: it also stands in commands that people copy.
            allowed_pattern="^/$|^/[A-Za-z0-9_+=,.@/-]{1,510}/$",
            description="Only IAM users below this path are looked at, and no other user's keys can be touched.",
            constraint_description="UserPathPrefix must be an IAM path, such as / or /apps/, of letters, digits and _+=,.@-.",
        )
        self.secret_reader_arns = cdk.CfnParameter(
            stack,
            "SecretReaderArns",
            type="CommaDelimitedList",
            default="",
            allowed_pattern=PRINCIPAL,
            description="ARNs of users and roles, 20 at most, that may read the new keys besides their owners, from each "
            "user's next replacement on.",
            constraint_description="SecretReaderArns must be ARNs of IAM users or roles, each by its full name, with commas "
            "between them; or empty.",
        )
        self.secrets_kms_key_arn = cdk.CfnParameter(
            stack,
            "SecretsKmsKeyArn",
            default="",
            allowed_pattern=r"^$|^arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+$",
            description="The KMS key that encrypts the secrets; its readers need kms:Decrypt on it. Empty: AWS's own key.",
            constraint_description="SecretsKmsKeyArn must be the ARN of a KMS key (not of an alias), or empty.",
        )
        cdk.Validations.of(stack).acknowledge(
            cdk.Acknowledgment(
                id="CloudFormation-Validate::W2509",
                reason="SecretsKmsKeyArn is the ARN of a key and no password, as no parameter here is; with NoEcho nobody "
                "could see which key encrypts the secrets.",
            )
        )
        self.owner_tag_keys = cdk.CfnParameter(
            stack,
            "OwnerTagKeys",
            type="CommaDelimitedList",
            default="access-key-rotation:owner,owner,Owner",
            allowed_pattern=TAG_KEY,
            description="Tags of an IAM user, 5 at most, that may name the owner; the first that has a value counts. It stands "
            "in every message, and is the message attribute by which an owner's team subscribes.",
            constraint_description="OwnerTagKeys must be keys of IAM tags, with commas between them; or empty.",
        )
        self._policy = [
            cdk.CfnParameter(
                stack,
                number.name,
                type="Number",
                default=number.default,
                min_value=number.least,
                max_value=number.most,
                description=number.description,
                constraint_description=f"{number.name} must be a whole number from {number.least} to {number.most}.",
            )
            for number in POLICY
        ]
        self._add_telling(stack)
        self.operator_arns = cdk.CfnParameter(
            stack,
            "OperatorArns",
            type="CommaDelimitedList",
            default="",
            allowed_pattern=PRINCIPAL,
            description="ARNs of the users and roles on call: they alone read and empty the dead-letter queues, which ends "
            "the alarms. Empty: nobody does, and each message stays for 14 days.",
            constraint_description="OperatorArns must be ARNs of IAM users or roles, each by its full name, with commas "
            "between them; or empty.",
        )
        self.runbook_url = cdk.CfnParameter(
            stack,
            "RunbookUrl",
            default="docs/runbook.md",
            allowed_pattern=r"^[!-~]{1,200}$",
            description="Where on-call finds docs/runbook.md; it is in every mail and alarm. Best a link that begins with https.",
            constraint_description="RunbookUrl must be 1 to 200 printable ASCII characters without a space.",
        )
        self.log_retention_days = cdk.CfnParameter(
            stack,
            "LogRetentionDays",
            type="Number",
            default="365",
            allowed_values=[str(days) for days in LOG_RETENTION],
            description="How many days the functions' logs, which hold each run's full report, are kept.",
            constraint_description=f"LogRetentionDays must be one of {', '.join(map(str, LOG_RETENTION))}.",
        )
        self.run_at = cdk.CfnParameter(
            stack,
            "RunAt",
            default="06:00",
            allowed_pattern="^([01][0-9]|2[0-3]):[0-5][0-9]$",
            description="When the daily run starts, HH:MM in TimeZone; not in the hour that daylight saving skips.",
            constraint_description="RunAt must be a time from 00:00 to 23:59, written HH:MM.",
        )
        self.time_zone = cdk.CfnParameter(
            stack,
            "TimeZone",
            default="UTC",
            allowed_pattern="^[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+)*$",
            description="The time zone of RunAt, by its IANA name, such as Europe/Berlin. Key ages are by UTC date.",
            constraint_description="TimeZone must be an IANA name, such as UTC or America/New_York.",
        )
        stack.template_options.metadata = {"AWS::CloudFormation::Interface": self._form()}

    def _add_telling(self, stack: cdk.Stack) -> None:
        """The parameters of the telling."""
        raise NotImplementedError

    def _hearing_labels(self) -> dict[cdk.CfnParameter, str]:
        """Them and who is on call, with their labels in the console's form."""
        raise NotImplementedError

    @cached_property
    def operators(self) -> list[str]:
        """Who is on call, for a condition of a Deny, which no principal's ARN meets that is not in the list: "nobody" is no ARN."""
        has_operators = cdk.CfnCondition(
            cdk.Stack.of(self.operator_arns),
            "HasOperators",
            expression=cdk.Fn.condition_not(
                cdk.Fn.condition_equals(cdk.Fn.join(",", self.operator_arns.value_as_list), "")
            ),
        )
        return cdk.Token.as_list(
            cdk.Fn.condition_if(has_operators.logical_id, self.operator_arns.value_as_list, ["nobody"])
        )

    def passed_on(self) -> dict[str, str]:
        """What is set once for a whole organization and handed to each account's stack, by name."""
        lists = (self.secret_reader_arns, self.operator_arns, self.owner_tag_keys)
        texts = (
            self.mode,
            self.user_path_prefix,
            self.secrets_kms_key_arn,
            *self._policy,
            self.runbook_url,
            self.log_retention_days,
            self.run_at,
            self.time_zone,
        )
        return {
            **{each.node.id: each.value_as_string for each in texts},
            **{each.node.id: cdk.Fn.join(",", each.value_as_list) for each in lists},
        }

    def policy_environment(self) -> dict[str, str]:
        """The policy as both functions read it: MaxKeyAgeDays is MAX_KEY_AGE_DAYS."""
        return {
            re.sub(r"(?<!^)(?=[A-Z])", "_", parameter.node.id).upper(): parameter.value_as_string
            for parameter in self._policy
        }

    def _form(self) -> dict[str, object]:
        """How the console shows the parameters: in groups, each with a label."""
        groups = {
            "What it may do": {self.mode: "Audit or Enforce", self.user_path_prefix: "Users below this path"},
            "Who reads the new keys": {
                self.secret_reader_arns: "Readers besides the owners",
                self.secrets_kms_key_arn: "KMS key of the secrets",
            },
            "Policy": dict(zip(self._policy, (number.label for number in POLICY), strict=True)),
            "When it runs and who hears of it": {
                **self._hearing_labels(),
                self.owner_tag_keys: "Tags that name a user's owner",
                self.runbook_url: "Where the runbook is",
                self.log_retention_days: "Logs are kept for this many days",
                self.run_at: "Time of the daily run",
                self.time_zone: "Time zone of that time",
            },
        }
        return {
            "ParameterGroups": [
                {"Label": {"default": group}, "Parameters": [parameter.node.id for parameter in labels]}
                for group, labels in groups.items()
            ],
            "ParameterLabels": {
                parameter.node.id: {"default": label}
                for labels in groups.values()
                for parameter, label in labels.items()
            },
        }


class OwnTopic(Parameters):
    """Of an account that tells by a topic of its own."""

    def _add_telling(self, stack: cdk.Stack) -> None:
        self.alert_email = cdk.CfnParameter(
            stack,
            "AlertEmail",
            default="",
            allowed_pattern=r"^$|^[^\s@]+@[^\s@]+\.[^\s@]+$",
            description="Who gets the mails and the alarms. SNS first sends a mail to confirm. Empty: nobody.",
            constraint_description="AlertEmail must be one email address, or empty.",
        )
        self.alarm_topic_arn = cdk.CfnParameter(
            stack,
            "AlarmTopicArn",
            default="",
            allowed_pattern=r"^$|^arn:aws[a-z-]*:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]{1,256}$",
            description="An SNS topic of yours that gets the alarms too, in case this stack's own topic is what broke. It "
            "must let CloudWatch publish. Empty: none.",
            constraint_description="AlarmTopicArn must be the ARN of an SNS topic that is not FIFO, or empty.",
        )
        has_alarm_topic = cdk.CfnCondition(
            stack,
            "HasAlarmTopic",
            expression=cdk.Fn.condition_not(
                cdk.Fn.condition_equals(self.alarm_topic_arn.value_as_string, "")
            ),
        )
        # CloudFormation leaves AWS::NoValue out of a list.
        self.alarm_topic = cdk.Token.as_string(
            cdk.Fn.condition_if(
                has_alarm_topic.logical_id, self.alarm_topic_arn.value_as_string, cdk.Aws.NO_VALUE
            )
        )
        self.notify = cdk.CfnParameter(
            stack,
            "Notify",
            default="Changes",
            allowed_values=["Changes", "Problems", "Always"],
            description="Which runs send a mail. Changes: somebody has to act, and a summary after a week without a mail. Problems: "
            "something failed, is critical or needs a person. Always: every run. Notices are sent in any case.",
            constraint_description="Notify must be Changes, Problems or Always.",
        )

    def _hearing_labels(self) -> dict[cdk.CfnParameter, str]:
        return {
            self.alert_email: "Address for mails and alarms",
            self.alarm_topic_arn: "Second topic for the alarms",
            self.operator_arns: _ON_CALL,
            self.notify: "Which runs send a mail",
        }


class Centre(Parameters):
    """Of a member of an organization, whose centre tells for it."""

    def _add_telling(self, stack: cdk.Stack) -> None:
        self.centre_account_id = cdk.CfnParameter(
            stack,
            "CentreAccountId",
            allowed_pattern="^[0-9]{12}$",
            description="The account of the organization's centre, which keeps the code and the reports in this Region.",
            constraint_description="CentreAccountId must be the 12 digits of an AWS account.",
        )

    def _hearing_labels(self) -> dict[cdk.CfnParameter, str]:
        return {
            self.centre_account_id: "Account of the organization's centre",
            self.operator_arns: _ON_CALL,
        }


class Organization(Parameters):
    """Of the organization's centre: its own, and those that each account's stack is given."""

    def _add_telling(self, stack: cdk.Stack) -> None:
        self.organization_id = cdk.CfnParameter(
            stack,
            "OrganizationId",
            allowed_pattern=ORGANIZATION_ID,
            description="The organization whose accounts report here (aws organizations describe-organization).",
            constraint_description="OrganizationId must be o- and 10 to 32 letters and digits.",
        )
        self.organizational_unit_ids = cdk.CfnParameter(
            stack,
            "OrganizationalUnitIds",
            type="CommaDelimitedList",
            allowed_pattern=UNIT,
            description="Organizational units, or the root, whose accounts get a stack with Mode as it is set here.",
            constraint_description="OrganizationalUnitIds must be ids such as ou-ab12-cdefgh34 or r-ab12, with commas between.",
        )
        self.enforce_organizational_unit_ids = cdk.CfnParameter(
            stack,
            "EnforceOrganizationalUnitIds",
            type="CommaDelimitedList",
            default="",
            allowed_pattern=f"^$|{UNIT}",
            description="Organizational units whose accounts get Mode=Enforce; none of them may be in OrganizationalUnitIds.",
            constraint_description="EnforceOrganizationalUnitIds must be ids such as ou-ab12-cdefgh34, or empty.",
        )
        self.call_as = cdk.CfnParameter(
            stack,
            "CallAs",
            default="DELEGATED_ADMIN",
            allowed_values=["DELEGATED_ADMIN", "SELF"],
            description="DELEGATED_ADMIN: this account is registered for StackSets. SELF: this is the management account.",
            constraint_description="CallAs must be DELEGATED_ADMIN or SELF.",
        )
        self.alert_email = cdk.CfnParameter(
            stack,
            "AlertEmail",
            default="",
            allowed_pattern=r"^$|^[^\s@]+@[^\s@]+\.[^\s@]+$",
            description="Who gets the digest and the two alarms; the address must confirm a mail first. Empty: nobody.",
            constraint_description="AlertEmail must be one email address, or empty.",
        )
        self.digest_at = cdk.CfnParameter(
            stack,
            "DigestAt",
            default="10:00",
            allowed_pattern="^([01][0-9]|2[0-3]):[0-5][0-9]$",
            description="When the digest is made, HH:MM in TimeZone: some hours after RunAt, and on the same day.",
            constraint_description="DigestAt must be a time from 00:00 to 23:59, written HH:MM.",
        )

    def _hearing_labels(self) -> dict[cdk.CfnParameter, str]:
        return {
            self.organization_id: "The organization",
            self.organizational_unit_ids: "Units whose accounts get a stack",
            self.enforce_organizational_unit_ids: "Units whose accounts are in Enforce",
            self.call_as: "What this account is in the organization",
            self.alert_email: "Address for the digest and the alarms",
            self.digest_at: "Time of the daily digest",
            self.operator_arns: _ON_CALL,
        }
