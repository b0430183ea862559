"""Records as earlier versions of Waybill wrote them, byte for byte: topics and snapshots outlive an upgrade.

These bytes are never changed. A format that must change gets a version of its own, and is read beside the old ones.
"""

import pytest

from model.delivery.delivery import Delivery, Wait
from model.events.envelope import UnreadableRecord
from model.events.event import from_record
from model.recording.facts import Outcome, Received, State, decode
from tests.flows.delivery.test_shard import Working

EVENT_V1 = b'{"v":1,"source":"web"}\n{"type":"track","event":"Order Completed","messageId":"m-1","userId":"u1"}'
RETRY_V1 = (
    b'{"v":1,"delivery_id":"530eb18a721c4512e198a6b978ae6ddc","source":"web","destination":"crm","mapping":"",'
    b'"message_id":"m-1","event_type":"track","event_name":"Order Completed","app_version":"1.2.3",'
    b'"events_partition":0,"events_offset":17,"received_at_ms":1763690400000,"taken_at_ms":1763690400010,'
    b'"due_at_ms":1763690400500,"waits_from_ms":1763690400100,"waits_for":"retry","calls":3,"attempts":2,'
    b'"code":"503","message":"try later","retry_wait_ms":400,"limit_wait_ms":0,"calls_ms":12,"redrive":0,'
    b'"inserted":false,"replayed":false,"resent":true}\n{"type":"track","event":"Order Completed"}'
)
OUTCOME_V1 = (
    b'{"kind":"outcome","v":1,"at_ms":1763690400700,"run":"run-1","source":"web","message_id":"m-1",'
    b'"event_type":"track","event_name":"Order Completed","app_version":"","events_partition":0,"events_offset":17,'
    b'"received_at_ms":1763690400000,"replayed":false,"delivery_id":"530eb18a721c4512e198a6b978ae6ddc",'
    b'"destination":"crm","mapping":"","attempt":3,"code":"","message":"","resent":false,"redrive":0,'
    b'"error_group":"","batch_items":0,"state":"delivered","http_status":200,"http_ms":12,"queue_ms":5,'
    b'"retry_wait_ms":400,"limit_wait_ms":0,"calls_ms":12}'
)
RECEIVED_V1 = (
    b'{"v":1,"kind":"received","source":"web","message_id":"m-1","event_type":"track","event_name":"Order Completed",'
    b'"app_version":"","events_partition":0,"events_offset":17,"received_at_ms":1763690400000,'
    b'"at_ms":1763690400000,"run":"run-1","replayed":false,'
    b'"routes":[["530eb18a721c4512e198a6b978ae6ddc","crm",""]]}'
)


def test_an_event_accepted_before_an_upgrade_is_read() -> None:
    event = from_record(EVENT_V1)
    assert (event.source, event.message_id, event.type, event.name) == ("web", "m-1", "track", "Order Completed")


def test_a_retry_pending_over_an_upgrade_goes_on_where_it_was() -> None:
    delivery = Delivery.from_record(RETRY_V1)
    assert (delivery.attempts, delivery.calls, delivery.code, delivery.waits_for) == (2, 3, "503", Wait.RETRY)
    assert (delivery.due_at_ms, delivery.resent, delivery.event[:7]) == (1763690400500, True, b'{"type"')
    assert Delivery.from_record(delivery.to_record()) == delivery


def test_facts_recorded_again_after_an_upgrade_are_read() -> None:
    outcome, received = decode(OUTCOME_V1), decode(RECEIVED_V1)
    assert isinstance(outcome, Outcome) and (outcome.state, outcome.http_status) == (State.DELIVERED, 200)
    assert isinstance(received, Received) and received.routes == ((outcome.delivery_id, "crm", ""),)


def test_fields_that_a_later_version_adds_are_passed_over() -> None:
    added = RETRY_V1.replace(b'{"v":1,', b'{"v":1,"added_later":{"n":[1]},', 1)
    assert Delivery.from_record(added) == Delivery.from_record(RETRY_V1)


@pytest.mark.parametrize("record", [EVENT_V1, RETRY_V1, OUTCOME_V1, RECEIVED_V1])
def test_a_version_that_is_not_known_is_refused_and_never_guessed(record: bytes) -> None:
    with pytest.raises(UnreadableRecord, match="version"):
        {EVENT_V1: from_record, RETRY_V1: Delivery.from_record}.get(record, decode)(
            record.replace(b'"v":1', b'"v":2', 1)
        )


def test_what_a_snapshot_held_when_there_was_one_process_goes_back_to_the_retries() -> None:
    held = [(RETRY_V1, "retries.1s", 0, 5, False)]
    after = Working({"v": 1, "deliveries": held, "conditions": {}, "groups": {"day": 0, "connections": []}})
    after.notify()
    [(_, delivery)] = after.retries()
    assert (delivery.delivery_id, delivery.attempts) == ("530eb18a721c4512e198a6b978ae6ddc", 2)
