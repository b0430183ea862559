"""The process insert functions run in. It may be killed at any moment, and takes nothing with it when it dies."""

import asyncio
import importlib
import os
import resource
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from flows.functions import DropEvent, RejectEvent, RetryEvent
from flows.functions.messages import ANSWER_LIMIT_BYTES, WHY_LIMIT_CHARS, Order, Word, decode_orders, encode

MEMORY_LIMIT_BYTES = 1 << 30  # beyond what it starts with
_RAISED: dict[type[Exception], str] = {DropEvent: "dropped", RetryEvent: "retry", RejectEvent: "rejected"}
_handlers: dict[str, Callable[[dict[str, Any], dict[str, str]], Any]] = {}


def main() -> None:
    """Answer batches until the host closes the pipe."""
    # What handlers print must not get between the answers: their standard output becomes standard error.
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    _limit_memory()
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    for line in sys.stdin.buffer:
        for order in decode_orders(line):
            word = _handle(order, loop, answers.write)
            answer = encode(word)
            if len(answer) > ANSWER_LIMIT_BYTES:
                answer = encode(Word("failed", f"the event it returned is over {ANSWER_LIMIT_BYTES} bytes"))
            answers.write(answer + b"\n")


def _handle(order: Order, loop: asyncio.AbstractEventLoop, tell: Callable[[bytes], Any]) -> Word:
    handler = _handlers.get(order.handler)
    if handler is None:
        tell(encode(Word("importing")) + b"\n")
        try:
            handler = _handlers[order.handler] = _load(order.handler)
        except Exception as error:
            return Word("unavailable", _said(error))
    tell(encode(Word("began")) + b"\n")
    try:
        event = handler(order.event, order.settings)
        if asyncio.iscoroutine(event):
            event = loop.run_until_complete(event)
        if event is None:
            return Word("dropped", "it returned nothing")
        if not isinstance(event, dict):
            return Word("failed", f"it returned {type(event).__name__}, not an event")
        encode(event)
        return Word("returned", event=event)
    except tuple(_RAISED) as error:
        kind = next(kind for raised, kind in _RAISED.items() if isinstance(error, raised))
        return Word(kind, str(error)[:WHY_LIMIT_CHARS])
    except (Exception, SystemExit, KeyboardInterrupt) as error:
        return Word("failed", _said(error))


def _load(name: str) -> Callable[[dict[str, Any], dict[str, str]], Any]:
    module, _, function = name.partition(":")
    found = getattr(importlib.import_module(module), function)
    if not callable(found):
        raise TypeError(f"{name} is no function")
    return found  # type: ignore[no-any-return]


def _said(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"[:WHY_LIMIT_CHARS]


def _limit_memory() -> None:
    with open("/proc/self/statm", "rb") as file:
        pages = int(file.read().split()[0])
    limit = pages * os.sysconf("SC_PAGE_SIZE") + MEMORY_LIMIT_BYTES
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    resource.setrlimit(resource.RLIMIT_AS, (limit if hard == resource.RLIM_INFINITY else min(limit, hard), hard))


def _end_with(parent: int) -> None:
    # A handler in an endless loop would outlive a host that was killed: it never comes to see the pipe closed.
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


if __name__ == "__main__":
    main()
