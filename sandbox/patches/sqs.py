"""SQS: messages grow older on demand."""

from datetime import timedelta

from ministack.services import sqs

from sandbox.controls import Controls


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
