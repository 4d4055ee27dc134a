"""The stack's outputs: names for scripts, commands for people, and what stays when the stack is deleted."""

from collections.abc import Mapping

import aws_cdk as cdk

from infra.commands import Commands
from infra.memory import Memory
from infra.orders import Orders
from infra.parameters import Parameters
from infra.rotator import Rotator
from infra.scanner import Scanner
from infra.schedule import Schedule
from infra.version import VERSION

# Said where somebody who deletes the stack looks: what CloudFormation did not make, it does not take away.
KEPT = (
    "Deleting this stack, once its termination protection is off, keeps every access key, every tag, every secret access-keys/*, the table access-key-rotation with "
    "all that was done and told, and the functions' logs. Keys then grow old: nothing switches them off. A stack deployed "
    "again (`make deploy`, or `cdk deploy --import-existing-resources`) takes the table over and goes on from there."
)


def add_outputs(
    stack: cdk.Stack,
    *,
    parameters: Parameters,
    told_by: Mapping[str, str],
    orders: Orders,
    memory: Memory,
    scanner: Scanner,
    rotator: Rotator,
    schedule: Schedule,
) -> None:
    """Those of the stack itself: an output inside a construct would have the construct's name in its own."""
    for name, value in {
        "ScannerName": scanner.function.function_name,
        "RotatorName": rotator.function.function_name,
        "ScheduleName": schedule.name,
        "OrdersQueueUrl": orders.queue.queue_url,
        "DeadLetterQueueUrl": orders.dead_letters.queue_url,
        "DeadFiringsQueueUrl": schedule.dead_letters.queue_url,
        "MemoryTableName": memory.table.table_name,
        **told_by,
        "RotatorRoleArn": rotator.role.role_arn,
    }.items():
        cdk.CfnOutput(stack, name, value=value)
    commands = Commands(stack=stack)
    policy = {name.lower(): value for name, value in parameters.policy_environment().items()}
    for name, command in {
        "RunNow": commands.run(scanner_name=scanner.function.function_name),
        "Preview": commands.preview(user_path_prefix=parameters.user_path_prefix.value_as_string, **policy),
        "Stop": commands.switch("DISABLED", schedule_name=schedule.name),
        "StartAgain": commands.switch("ENABLED", schedule_name=schedule.name),
        "ReadMemory": commands.read_memory(table_name=memory.table.table_name),
        "ReadLastReport": commands.read_log(log_group_name=rotator.log_group.log_group_name),
    }.items():
        cdk.CfnOutput(stack, name, value=command, description="A command, ready to run")
    cdk.CfnOutput(stack, "Kept", value=KEPT)
    cdk.CfnOutput(stack, "Version", value=VERSION)
