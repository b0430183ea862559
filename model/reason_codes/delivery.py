"""Reason codes of a delivery on its way: configuration that keeps it back, what went wrong here, what it waits for."""

from model.reason_codes.reason import Owner, Reason, Severity

_RESTORE = "None, if it was meant; otherwise restore it and send the dead letters again."
_AND_AGAIN = " Then send the dead letters again."


def _configured(code: str, description: str, action: str) -> Reason:
    return Reason(code, Severity.INFO, Owner.US, False, description, action)


def _failed_here(code: str, description: str, action: str) -> Reason:
    return Reason(code, Severity.ERROR, Owner.US, False, description, action)


def _again(code: str, severity: Severity, owner: Owner, description: str, action: str) -> Reason:
    return Reason(code, severity, owner, True, description, action)


def _waiting(code: str, description: str, action: str) -> Reason:
    return Reason(code, Severity.INFO, Owner.US, True, description, action)


ROUTING: tuple[Reason, ...] = (
    Reason(
        "DUPLICATE",
        Severity.INFO,
        Owner.SOURCE,
        False,
        "An event with the same messageId was received within the 24 hours before.",
        "None: SDKs send again what may have been lost. If these are different events, give each its own messageId.",
    ),
    _configured(
        "UNSUPPORTED_EVENT_TYPE",
        "The destination takes no events of this type.",
        "None; to send them all the same, use a destination of another type.",
    ),
    Reason(
        "FILTERED_BY_INTEGRATIONS_OBJECT",
        Severity.INFO,
        Owner.SOURCE,
        False,
        "The event's `integrations` object excludes the destination.",
        "None, if it was meant; otherwise change what the source sends in `integrations`.",
    ),
    _configured(
        "FILTERED_BY_RULES",
        "A filter of the connection dropped the event.",
        "None, if it was meant; otherwise narrow the filter in the workspace file.",
    ),
    _configured(
        "FILTERED_BY_SAMPLE",
        "A filter of the connection sends only a share of the events, and this one was not in it.",
        "None, if it was meant; otherwise raise the filter's percent in the workspace file.",
    ),
    _configured(
        "NO_MATCHING_MAPPING",
        "No connection of the source, or no mapping of the connection, takes this event.",
        "Add a connection or a mapping in the workspace file if the event should go somewhere.",
    ),
    _configured(
        "FILTERED_BY_FUNCTION",
        "The connection's insert function dropped the event.",
        "None, if it was meant; otherwise change the function.",
    ),
    _configured(
        "DESTINATION_DISABLED", "The destination is disabled.", "Enable it in the workspace file if events should flow."
    ),
    _configured(
        "CONNECTION_DISABLED", "The connection is disabled.", "Enable it in the workspace file if events should flow."
    ),
    _configured(
        "CONNECTION_REMOVED", "The connection was removed from the workspace while the event waited for it.", _RESTORE
    ),
    _configured(
        "DESTINATION_REMOVED", "The destination was removed from the workspace while the event waited for it.", _RESTORE
    ),
    _configured(
        "MAPPING_REMOVED", "The mapping was removed from the workspace while the event waited for it.", _RESTORE
    ),
    _configured(
        "SOURCE_REMOVED",
        "The source was removed from the workspace after it had sent the event.",
        "None, if it was meant; otherwise restore the source, or say what its id was (`was`).",
    ),
)

FAILURES: tuple[Reason, ...] = (
    Reason(
        "EXPIRED",
        Severity.ERROR,
        Owner.DESTINATION,
        False,
        "The retry window or the attempts were used up before the destination took the event.",
        "Mend what the last error says, then send the dead letters again.",
    ),
    _failed_here(
        "NEVER_ATTEMPTED",
        "The retry window ended before the event could be sent even once: its destination was paused or overloaded.",
        "Raise the destination's concurrency, or mend what paused it." + _AND_AGAIN,
    ),
    _failed_here(
        "FILTER_ERROR",
        "A filter of the connection could not be decided, so the event was not let through.",
        "Correct the filter the message names; if it is correct, report the message." + _AND_AGAIN,
    ),
    _failed_here(
        "MAPPING_ERROR",
        "A mapping could not be applied to the event.",
        "Correct the mapping at the place the message names." + _AND_AGAIN,
    ),
    _failed_here(
        "PAYLOAD_VALIDATION_FAILED",
        "What the mapping made of the event lacks something the destination requires, or has it in a wrong form.",
        "Correct the mapping, or what the source sends, at the field the message names." + _AND_AGAIN,
    ),
    Reason(
        "FUNCTION_REJECTED",
        Severity.ERROR,
        Owner.SOURCE,
        False,
        "The connection's insert function rejected the event.",
        "Read the function's message, then correct the code that sends the event, or the function." + _AND_AGAIN,
    ),
    _failed_here(
        "FUNCTION_FAILED",
        "The connection's insert function raised an error, or returned something that is no event.",
        "Correct the function." + _AND_AGAIN,
    ),
    _failed_here(
        "FUNCTION_CRASHED",
        "The process of the connection's insert function died while it handled the event.",
        "Correct the function: it ended its process, or used too much memory." + _AND_AGAIN,
    ),
    _again(
        "FUNCTION_TIMEOUT",
        Severity.WARNING,
        Owner.US,
        "The connection's insert function took more than its 5 seconds for the event.",
        "Waybill tries again. If it lasts, make the function faster.",
    ),
    _again(
        "FUNCTION_UNAVAILABLE",
        Severity.ERROR,
        Owner.US,
        "The connection's insert function cannot be imported, or its process does not start.",
        "Waybill tries again. Correct `insert_function` in the workspace file, or install what the function needs.",
    ),
    _again(
        "FUNCTION_PAUSED",
        Severity.WARNING,
        Owner.US,
        "The connection's insert function is too slow or hangs, so the event waits on disk for its turn.",
        "Waybill tries again. If it lasts, make the function faster.",
    ),
    _again(
        "FUNCTION_RETRY",
        Severity.WARNING,
        Owner.US,
        "The connection's insert function asked for the event to be tried again later.",
        "None if it passes: Waybill tries again. If it lasts, read the function's message.",
    ),
    _again(
        "BATCH_ITEM_MISSING",
        Severity.WARNING,
        Owner.DESTINATION,
        "The destination answered item by item, but did not say what became of this one.",
        "Waybill tries again. If it lasts, ask the destination's operators, or send events one by one.",
    ),
    Reason(
        "BATCH_ITEM_REFUSED",
        Severity.ERROR,
        Owner.DESTINATION,
        False,
        "The destination answered item by item, and says that it did not take this one.",
        "Read the destination's message, then correct the events or the mapping. If the event was taken after all, "
        "correct `answers` of the destination in the workspace file." + _AND_AGAIN,
    ),
    _again(
        "ANSWER_UNREADABLE",
        Severity.ERROR,
        Owner.DESTINATION,
        "What became of the event stands in the body of the destination's answer, which could not be read.",
        "Waybill tries again, because an answer that is not understood is no delivery. The message says what could not "
        "be read. Say in `answers` of the destination where and how it speaks of single events; if the status alone "
        "counts, say so in `failures`; if the answer is too long, lower `batch.max_events`.",
    ),
    Reason(
        "FAILED_BY_RULE",
        Severity.ERROR,
        Owner.DESTINATION,
        False,
        "The destination answered with success, which a rule for its answers takes for a failure.",
        "Read the destination's message in the samples; correct `failures` in the workspace file if the rule is wrong.",
    ),
    _failed_here(
        "UNREADABLE_RECORD",
        "A record of the log is damaged or was written by another version; its bytes are kept as a dead letter.",
        "Run the version of Waybill that wrote it, or inspect the dead letter.",
    ),
    _failed_here(
        "ROW_REFUSED",
        "The store refused a row of the records about deliveries; the row is kept as a dead letter.",
        "Inspect the dead letter and report it: the numbers of reports lack this row.",
    ),
    _again(
        "INTERNAL",
        Severity.ERROR,
        Owner.US,
        "Waybill itself failed while handling the event.",
        "Waybill tries again. If it lasts, report the message beside the code.",
    ),
)

WAITING: tuple[Reason, ...] = (
    _waiting(
        "OVER_SHARE",
        "The destination holds more than its fair share of memory, so the event waits on disk for its turn.",
        "None; if it lasts, the destination is slower than its events come in: raise its concurrency.",
    ),
    _waiting(
        "SHARDS_CHANGED",
        "The number of shards or the destination's id changed; the event moves to its destination's new shard.",
        "None.",
    ),
    _waiting(
        "WAITED_TOO_LONG",
        "The event waited too long for a free connection to the destination and goes on waiting on disk.",
        "None; if it lasts, the destination is slower than its events come in: raise its concurrency.",
    ),
    _waiting(
        "PAUSED",
        "Sending to the destination is paused because it asked for it; the event waits on disk.",
        "None; if it lasts, ask the destination for a higher limit.",
    ),
    _waiting(
        "BREAKER_OPEN",
        "Too many calls to the destination failed or were slow, so sending stopped for a while; the event waits.",
        "None: single calls try again. Look at the destination's other errors for the cause.",
    ),
    _waiting(
        "RATE_LIMITED",
        "More events come in than `calls_per_second` of the destination lets out; the event waits.",
        "None; if it lasts, raise `calls_per_second` in the workspace file.",
    ),
    _waiting(
        "SETUP_PROBE",
        "The destination refuses whatever is sent until somebody mends its setup; the event waits.",
        "Mend what the destination's own error says; single calls find out by themselves.",
    ),
)
