"""Deliver events: topics events and retries -> HTTP destinations -> topics outcomes, retries, dead_letters.

At least once; no order is promised. One outcome per delivery counts. Monitoring is never waited for.
"""

from collections.abc import Callable
from typing import Any

import bytewax.operators as op
from bytewax.dataflow import Dataflow
from bytewax.operators import KeyedStream

from flows.lane import Lane
from flows.router import LaneItem, Router
from flows.topic_sink import Output, TopicSink
from flows.topic_source import TopicSource, TopicsSource
from flows.topics import EVENTS
from model.rungs import RUNGS

FLOW = "delivery"
SOURCES = (EVENTS, *(rung.topic for rung in RUNGS))


def delivery_flow(
    source: Callable[[str], TopicSource], router: Router, lane: Callable[[dict[str, Any] | None], Lane], sink: TopicSink
) -> Dataflow:
    """Wire the flow from its parts; ``source`` makes the source of a topic, ``lane`` a lane from its snapshot."""
    flow = Dataflow(FLOW)
    items = op.input("topics", flow, TopicsSource({topic: source(topic) for topic in SOURCES}))
    # Sourced("events", Record(0, 17, 1763690000000, key, b'{"v":1,"source":"web"}\n{"type":"track",...}'))
    routed: KeyedStream[LaneItem] = op.flat_map_batch("route", items, router)
    # ("3", Waiting(Delivery(destination="crm", ...), topic="events", partition=0, offset=17))
    # ("0", Output("outcomes", b"0:17", b'{"v":1,"kind":"received","routes":[["9f..","crm",""]],...}'))
    settled: KeyedStream[Output] = op.stateful_batch("deliver", routed, lane)
    # ("3", Output("outcomes", b"9f..", b'{"v":1,"kind":"outcome","state":"delivered",...}'))
    # ("3", Output("retries.30s", b"9f..", b'{"v":1,"delivery_id":"9f..","attempts":1,...}\n{"type":"track",...}'))
    op.output("append", settled, sink)
    return flow
