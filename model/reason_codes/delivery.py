"""Reason codes of a delivery before and between calls: dropped by configuration, failed inside Waybill, or waiting."""

from model.reason_codes.reason import Reason, reason_table

DELIVERY: tuple[Reason, ...] = reason_table("""
info, source
    DUPLICATE | An event of the same source with the same messageId was received within the previous 24 hours. |
        None: SDKs resend what may have been lost. If the events differ, give each of them its own messageId.
    FILTERED_BY_INTEGRATIONS_OBJECT | The event's `integrations` object excludes the destination. |
        None if intended; otherwise change what the source sends in `integrations`.
info, us | None if intended; otherwise restore it, then redrive the dead letters.
    UNSUPPORTED_EVENT_TYPE | The destination does not accept events of this type. |
        None; if the events should be sent, use a destination that accepts this type.
    FILTERED_BY_RULES | A filter of the connection dropped the event. |
        None if intended; otherwise narrow the filter in the workspace file.
    FILTERED_BY_SAMPLE | A filter of the connection sends only a sample of the events, and this event is not in the
        sample. | None if intended; otherwise raise the filter's percent in the workspace file.
    NO_MATCHING_MAPPING | The source has no connection, or no mapping of the connection matches the event. |
        If the event should be delivered, add a connection or a mapping to the workspace file.
    FILTERED_BY_FUNCTION | The connection's insert function dropped the event. |
        None if intended; otherwise change the function.
    DESTINATION_DISABLED | The destination is disabled. |
        If events should be delivered, enable it in the workspace file.
    CONNECTION_DISABLED | The connection is disabled. | If events should be delivered, enable it in the workspace file.
    CONNECTION_REMOVED | The connection was removed from the workspace while the event was waiting.
    DESTINATION_REMOVED | The destination was removed from the workspace while the event was waiting.
    MAPPING_REMOVED | The mapping was removed from the workspace while the event was waiting.
    SOURCE_REMOVED | The source was removed from the workspace after it sent the event. |
        None if intended; otherwise restore the source, or list its former id under `was` of the new one.
error, destination
    EXPIRED | The retry window ended, or all attempts were used, before the destination accepted the event. |
        Fix the cause of the last error, then redrive the dead letters.
    BATCH_ITEM_REFUSED | The destination's response lists results per event, and reports this event as refused. |
        Read the destination's message, then correct the events or the mapping. If the event was in fact accepted,
        correct `answers` of the destination in the workspace file. Then redrive the dead letters.
    FAILED_BY_RULE | The destination responded with a success status, which a rule in `failures` classifies as a
        failure. | Read the destination's message in the samples; correct `failures` in the workspace file if the rule
        is wrong.
error, us
    NEVER_ATTEMPTED | The retry window ended before the event was sent once: its destination was paused or overloaded. |
        Raise the destination's concurrency, or fix what paused it. Then redrive the dead letters.
    FILTER_ERROR | A filter of the connection failed on the event, so the event was not sent. |
        Correct the filter named in the message; if the filter is correct, report the message as a bug. Then redrive the
        dead letters.
    MAPPING_ERROR | A mapping could not be applied to the event. |
        Correct the mapping at the place named in the message. Then redrive the dead letters.
    PAYLOAD_VALIDATION_FAILED | The payload made by the mapping lacks a required field, or has a field in a wrong
        format. | Correct the field named in the message, in the mapping or where the event is sent. Then redrive the
        dead letters.
    FUNCTION_FAILED | The connection's insert function raised an error, or returned something other than an event. |
        Correct the function. Then redrive the dead letters.
    FUNCTION_CRASHED | The process of the connection's insert function exited while it handled the event. |
        Correct the function: it exited its process, or used too much memory. Then redrive the dead letters.
    UNREADABLE_RECORD | A topic record is damaged or was written by another version; its bytes are kept as a dead
        letter. | Run the version of Waybill that wrote it, or inspect the dead letter.
    ROW_REFUSED | The store refused one row about deliveries; the row is kept as a dead letter. |
        Inspect the dead letter and report it as a bug: reports do not count this row.
error, source
    FUNCTION_REJECTED | The connection's insert function rejected the event. |
        Read the function's message, then correct the code that sends the event, or the function. Then redrive the dead
        letters.
warning, us, retried
    FUNCTION_TIMEOUT | The connection's insert function took more than 5 seconds for the event. |
        Waybill tries again. If it lasts, make the function faster.
    FUNCTION_PAUSED | The connection's insert function is too slow or hangs, so the event waits on disk. |
        Waybill tries again. If it lasts, make the function faster.
    FUNCTION_RETRY | The connection's insert function asked to be called again later. |
        Waybill tries again. If it lasts, read the function's message.
error, us, retried
    FUNCTION_UNAVAILABLE | The connection's insert function cannot be imported, or its process does not start. |
        Waybill tries again. Correct `insert_function` in the workspace file, or install what the function needs.
    INTERNAL | An error inside Waybill stopped the delivery of the event. |
        Waybill tries again. If it lasts, report the message as a bug.
warning, destination, retried
    BATCH_ITEM_MISSING | The destination's response lists results per event, and this event is missing from it. |
        Waybill tries again. If it lasts, ask the destination's operators, or send single events.
error, destination, retried
    ANSWER_UNREADABLE | The result for the event is in the body of the destination's response, and the body could not be
        read. | Waybill tries again, because only a response that it can read counts as a delivery. The message says
        what could not be read. Describe the destination's results per event in `answers`; if the status alone decides,
        state that in `failures`; if the response is too long, lower `batch.max_events`.
info, us, retried
    OVER_SHARE | The destination uses more than its share of the in-flight budget, so the event waits on disk. |
        None. If it lasts, events arrive faster than the destination accepts them: raise its concurrency.
    SHARDS_CHANGED | The number of shards or the destination's id changed; the event moves to its destination's new
        shard. | None.
    WAITED_TOO_LONG | The event waited too long in memory for a call to the destination, so it waits on disk. |
        None. If it lasts, events arrive faster than the destination accepts them: raise its concurrency.
    PAUSED | The destination asked Waybill to pause sending, so the event waits on disk. |
        None. If it lasts, ask the destination for a higher limit.
    BREAKER_OPEN | The circuit breaker is open: too many calls failed or were slow. The event waits. |
        None: Waybill probes with single calls. The destination's other errors show the cause.
    RATE_LIMITED | Events arrive faster than `calls_per_second` of the destination allows; the event waits. |
        None. If it lasts, raise `calls_per_second` in the workspace file.
    SETUP_PROBE | The destination refuses every event until a person corrects its setup; the event waits. |
        Fix what the destination's error says; Waybill probes with single calls and resumes by itself.
""")
