"""SQS: messages grow older on demand, and dead letters go back to where they died."""

import json
import secrets
from datetime import timedelta

from ministack.services import sqs

from sandbox.controls import Controls
from sandbox.patches.answers import Parameters


def let_time_pass(controls: Controls) -> None:
    """Queues run by the machine's clock, so an hour passes by making the messages there are an hour older.

    One that a consumer was hidden from for an hour is then there again.
    """

    def age_messages(by: timedelta) -> None:
        with sqs._queues_lock:
            for queue in sqs._queues._data.values():
                for message in queue["messages"]:
                    for moment in ("sent_at", "visible_at", "first_receive_at", "enqueued_at"):
                        if message.get(moment) is not None:
                            message[moment] -= by.total_seconds()
                for sent in queue["dedup_cache"].values():
                    sent["expire"] -= by.total_seconds()
        sqs.esm_wake.set()

    controls.ageing.append(age_messages)


def redrive_dead_letters() -> None:
    """The emulator has no StartMessageMoveTask. AWS sends each message anew to the queue that it died in."""

    def start_message_move_task(request: Parameters, _url: str) -> Parameters:
        source = sqs._queue_by_arn(request["SourceArn"])
        feeders = [
            queue
            for queue in sqs._queues._data.values()
            if json.loads(queue["attributes"].get("RedrivePolicy", "{}")).get("deadLetterTargetArn")
            == request["SourceArn"]
        ]
        if source is None or not feeders:
            raise sqs._Err("InvalidParameterValue", "Source queue must be configured as a Dead Letter Queue.")
        if set(request) - {"SourceArn", "QueueUrl"}:
            raise sqs._Err("InvalidParameterValue", "the sandbox moves messages to where they came from only")
        with sqs._queues_lock:
            dead, source["messages"] = source["messages"], []
        for message in dead:
            home = sqs._queue_by_arn(message["sys"]["DeadLetterQueueSourceArn"])
            fifo = {"MessageGroupId": message["group_id"], "MessageDeduplicationId": message["dedup_id"]}
            sent = {
                "QueueUrl": home["url"],
                "MessageBody": message["body"],
                "MessageAttributes": message["message_attributes"],
                **(fifo if home["is_fifo"] else {}),
            }
            sqs._act_send_message(sent, home["url"])
        return {"TaskHandle": secrets.token_hex(16)}

    sqs._HANDLERS["StartMessageMoveTask"] = start_message_move_task
