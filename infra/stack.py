"""The stack: schedule, scanner, orders, rotator, memory, topic, alarms; how they are wired together, and who may do what."""

import aws_cdk as cdk
from constructs import Construct

from infra import bundle, permissions
from infra.alarms import NAMES, Alarms
from infra.bulletins import Bulletins, ToItsTopics
from infra.dashboard import Dashboard
from infra.enforcement import enforce
from infra.function import TIMEOUT_SECONDS
from infra.grants import Granted
from infra.memory import Memory
from infra.orders import Orders
from infra.outputs import add_outputs
from infra.parameters import OwnTopic
from infra.rotator import Rotator
from infra.scanner import Scanner
from infra.schedule import Schedule
from infra.topic import Topic
from infra.version import VERSION


class AccessKeyRotation(cdk.Stack):
    """Everything that one AWS account needs to have its IAM users' access keys rotated."""

    def __init__(self, scope: Construct, construct_id: str) -> None:
        super().__init__(
            scope,
            construct_id,
            description=f"Rotates the access keys of this account's IAM users, once a day (access-key-rotation {VERSION})",
            # Whoever deletes the stack deletes every alarm that would say so.
            termination_protection=True,
        )
        code = bundle.code()
        parameters = OwnTopic(stack=self)
        topic = Topic(self, "Alerts", alert_email=parameters.alert_email, alarms=NAMES)
        bulletins = Bulletins(self, "Bulletins", key=topic.key)
        telling = ToItsTopics(topic.topic, bulletins, notify=parameters.notify)
        orders = Orders(self, "Orders", consumer_timeout=cdk.Duration.seconds(TIMEOUT_SECONDS))
        scanner = Scanner(self, "Scanner", code=code, parameters=parameters, orders=orders)
        rotator = Rotator(
            self,
            "Rotator",
            code=code,
            parameters=parameters,
            orders=orders,
            telling=telling,
        )
        memory = Memory(self, "Memory", writer=rotator.role)
        enforcing = enforce(self, parameters=parameters, role=rotator.role, function=rotator.function)

        topic.speak_only_for(rotator.role, through_sns=permissions.through(self, "sns"))
        bulletins.speak_only_for(rotator.role)
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
        alarms = Alarms(
            self,
            "Alarms",
            scanner=scanner.function,
            rotator=rotator.function,
            orders=orders.queue,
            dead_orders=orders.dead_letters,
            dead_firings=schedule.dead_letters,
            topic=topic.topic,
            second_topic_arn=parameters.alarm_topic,
            runbook_url=parameters.runbook_url.value_as_string,
        )
        # Last: Scheduler looks at once whether its role lets it in, and a role that was made a moment ago may be unknown yet.
        schedule.resource.node.add_dependency(alarms, orders)
        Dashboard(
            self,
            "Overview",
            max_key_age_days=parameters.policy_environment()["MAX_KEY_AGE_DAYS"],
            orders=orders.queue,
            dead_orders=orders.dead_letters,
            dead_firings=schedule.dead_letters,
            alarms=alarms,
        )
        add_outputs(
            self,
            parameters=parameters,
            told_by=telling.outputs,
            orders=orders,
            memory=memory,
            scanner=scanner,
            rotator=rotator,
            schedule=schedule,
        )
        # docs/permissions.md is made of it.
        self.granted = (
            Granted(role="scanner", when="always", grants=scanner.grants),
            Granted(role="rotator", when="always", grants=rotator.grants, denials=rotator.denials),
            *enforcing,
            Granted(role="schedule", when="always", grants=schedule.grants),
        )
