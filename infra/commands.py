"""What people do with the stack, as commands: for bash and AWS CLI 2, whatever Region the caller's shell is set to."""

import aws_cdk as cdk

# What a schedule is: an update forgets what it is not told, and refuses what get-schedule says beside this.
_SCHEDULE = (
    "Name",
    "GroupName",
    "Description",
    "ScheduleExpression",
    "ScheduleExpressionTimezone",
    "FlexibleTimeWindow",
    "Target",
)
_HOURS_OF_LOG = 26  # the last daily run, also when it was late


class Commands:
    """Of one stack. None needs anything set before it."""

    def __init__(self, *, stack: cdk.Stack) -> None:
        self._region = f"--region {stack.region}"

    def run(self, *, scanner_name: str) -> str:
        """A run of now. Each has an id of its own: the queue drops an order whose id it knows."""
        return (
            # The scan of a large account takes longer than the CLI waits, and a CLI that tries again starts another.
            f"AWS_MAX_ATTEMPTS=1 aws lambda invoke {self._region} --cli-read-timeout 900 --function-name {scanner_name} "
            "--cli-binary-format raw-in-base64-out "
            '--payload "{\\"run_id\\": \\"by-hand-$(date +%s)-$RANDOM\\"}" /dev/stdout'
        )

    def switch(self, state: str, *, schedule_name: str) -> str:
        """Turn the schedule on (ENABLED) or off (DISABLED), and leave it as it is otherwise."""
        kept = ",".join(f"{name}:{name}" for name in _SCHEDULE)
        now = f"aws scheduler get-schedule {self._region} --name {schedule_name} --query '{{{kept}}}' --output json"
        return f'aws scheduler update-schedule {self._region} --state {state} --cli-input-json "$({now})"'

    def read_memory(self, *, table_name: str) -> str:
        """The item of one user, whose name it asks for. The table knows users by IAM's unique id."""
        user_id = '$(aws iam get-user --user-name "$name" --query User.UserId --output text)'
        return (
            f"printf 'IAM user name: ' >&2; read -r name; aws dynamodb get-item {self._region} --table-name {table_name} "
            f'--consistent-read --key "{{\\"user_id\\":{{\\"S\\":\\"{user_id}\\"}}}}" --query Item'
        )

    def read_log(self, *, log_group_name: str) -> str:
        """What the functions of this log wrote in the last day, a line each; Lambda's own lines left out."""
        return (
            f"aws logs filter-log-events {self._region} --log-group-name {log_group_name} "
            f"--start-time $(( ($(date +%s) - {_HOURS_OF_LOG * 60 * 60}) * 1000 )) "
            "--filter-pattern '{ $.level = \"*\" }' --query 'events[].[message]' --output text"
        )

    def preview(self, **options: str) -> str:
        """In a checkout: what the coming runs would do with these options."""
        given = " ".join(f"--{name.replace('_', '-')} {value}" for name, value in options.items())
        return f"make preview ARGS='{self._region} {given}'"
