"""The process that runs insert functions. It may be killed at any time without affecting the worker."""

import asyncio
import contextlib
import ctypes
import importlib
import os
import resource
import signal
import sys
from collections.abc import Callable
from typing import Any

import msgspec
import orjson

from flows.functions import DropEvent, RejectEvent, RetryEvent
from flows.functions.messages import REASON_LIMIT_CHARS, REPLY_LIMIT_BYTES, Reply, decode_request, encode
from model.events import exact_json

MEMORY_LIMIT_BYTES = 1 << 30  # in addition to its memory at start
_PR_SET_PDEATHSIG = 1
_RAISED: dict[type[Exception], str] = {DropEvent: "dropped", RetryEvent: "retry", RejectEvent: "rejected"}
_handlers: dict[str, Callable[[dict[str, Any], dict[str, str]], Any]] = {}


def main(host: int) -> None:
    """Process batches until the host (a process id) closes the pipe or exits."""
    _die_with(host)
    _import_from_start_directory()
    requests, replies = _pipes()
    _limit_memory()
    _die_first()
    this = os.getpid()
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    for count in requests:
        # Read the whole batch before running its first event: else both sides could block on writing.
        for line in [requests.readline() for _ in range(int(count))]:
            reply = _handle(line, loop, replies.write)
            if os.getpid() != this:
                os._exit(0)  # a process forked by a handler must not reply
            message = encode(reply)
            if len(message) > REPLY_LIMIT_BYTES:
                message = encode(Reply("failed", f"the event it returned is over {REPLY_LIMIT_BYTES} bytes"))
            replies.write(message + b"\n")
            if reply.kind == "exhausted":
                os._exit(1)  # memory in use would fail every later event


def _import_from_start_directory() -> None:
    """Let user modules be found in the directory Waybill was started in, whatever their names.

    Everything this process needs is imported by now. So a user's own ``model.py`` can have that name here; ``flows`` is
    ours for ever, because functions import `flows.functions`.
    """
    sys.path.insert(0, os.getcwd())
    for name in [name for name in sys.modules if name.partition(".")[0] in {"model", "sinks", "console"}]:
        del sys.modules[name]


def _pipes() -> tuple[Any, Any]:
    """Hide the pipes from handlers: their output goes to standard error, and their input is empty.

    Forked processes do not inherit the pipes: they could reply for this process, and would hide its exit.
    """
    requests, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb", buffering=0)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    for pipe in (requests.fileno(), replies.fileno()):
        os.register_at_fork(after_in_child=lambda pipe=pipe: os.close(pipe))
    return requests, replies


def _handle(line: bytes, loop: asyncio.AbstractEventLoop, send: Callable[[bytes], Any]) -> Reply:
    try:
        request = decode_request(line)
    except (msgspec.DecodeError, RecursionError):
        return Reply("failed", "the event is nested too deeply")
    handler = _handlers.get(request.handler)
    if handler is None:
        send(encode(Reply("importing")) + b"\n")
        try:
            handler = _handlers[request.handler] = _load(request.handler)
        except BaseException as error:
            return Reply("unavailable", _describe(error))
    send(encode(Reply("started")) + b"\n")
    try:
        event = handler(request.event, request.settings)
        if asyncio.iscoroutine(event):
            event = loop.run_until_complete(event)
        if event is None:
            return Reply("dropped", "it returned nothing")
        if not isinstance(event, dict):
            return Reply("failed", f"it returned {type(event).__name__}, not an event")
        # The encoder of requests: an event it refuses fails here and not in the worker.
        return Reply("returned", event=msgspec.Raw(_written(event, line)))
    except tuple(_RAISED) as error:
        kind = next(kind for raised, kind in _RAISED.items() if isinstance(error, raised))
        return Reply(kind, _text(error))
    except MemoryError as error:
        limit = f"it needs more than its {MEMORY_LIMIT_BYTES >> 20} MB of memory"
        return Reply("exhausted", f"{_describe(error).removesuffix(': ')}: {limit}"[:REASON_LIMIT_CHARS])
    except BaseException as error:
        return Reply("failed", _describe(error))


def _written(event: dict[str, Any], request: bytes) -> bytes:
    """Encode the returned event. Integers beyond 64 bits may be kept from the input, but not created."""
    try:
        return orjson.dumps(event)
    except orjson.JSONEncodeError:
        if not exact_json.holds_inexact(request):
            raise
        return exact_json.dumps(event)


def _load(name: str) -> Callable[[dict[str, Any], dict[str, str]], Any]:
    module, _, function = name.partition(":")
    found = getattr(importlib.import_module(module), function)
    if not callable(found):
        raise TypeError(f"{name} is no function")
    return found  # type: ignore[no-any-return]


def _describe(error: BaseException) -> str:
    return f"{type(error).__name__}: {_text(error)}"[:REASON_LIMIT_CHARS]


def _text(error: BaseException) -> str:
    try:
        text = str(error)
    except Exception:  # the user's own __str__
        return ""
    return text[:REASON_LIMIT_CHARS].encode("utf-8", "replace").decode()


def _limit_memory() -> None:
    with open("/proc/self/statm", "rb") as file:
        pages = int(file.read().split()[0])
    limit = pages * os.sysconf("SC_PAGE_SIZE") + MEMORY_LIMIT_BYTES
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    resource.setrlimit(resource.RLIMIT_AS, (limit if hard == resource.RLIM_INFINITY else min(limit, hard), hard))


def _die_first() -> None:
    """Make the kernel kill this process first when the system runs out of memory."""
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
        file.write("1000")


def _die_with(host: int) -> None:
    # The kernel does it: a handler in an endless loop never sees the closed pipe, and one that holds the
    # interpreter (a regular expression does) stops every thread of ours.
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != host:  # the host exited before that
        os._exit(1)


if __name__ == "__main__":
    main(int(sys.argv[1]))
