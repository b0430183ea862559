"""Deliver events: topics events and retries -> HTTP destinations -> topics outcomes, retries, dead_letters.

At least once; no order is promised. One outcome per delivery counts. Monitoring is never waited for.
"""

from collections.abc import Callable
from typing import Any

import bytewax.operators as op
from bytewax.dataflow import Dataflow
from bytewax.operators import KeyedStream

from flows.delivery.router import Router, ShardItem
from flows.delivery.shard import Shard
from flows.engine.epochs import EpochAligner
from flows.runtime.installation import Deployment
from flows.runtime.runner import RunnableFlow
from flows.runtime.worker import Worker, run_worker
from flows.topics.interface import EVENTS
from flows.topics.sink import OutgoingRecord, TopicSink
from flows.topics.source import TopicSource, TopicsSource
from model.delivery.retry_tiers import RETRY_TIERS

FLOW = "delivery"
SOURCES = (EVENTS, *(tier.topic for tier in RETRY_TIERS))


def delivery_flow(
    source: Callable[[str], TopicSource],
    router: Router,
    shard: Callable[[dict[str, Any] | None], Shard],
    sink: TopicSink,
    epochs: EpochAligner | None = None,
) -> Dataflow:
    """Wire the flow from its parts; ``source`` makes the source of a topic, ``shard`` a shard from its snapshot.

    ``epochs``: of this process, where several share the flow.
    """
    flow = Dataflow(FLOW)
    items = op.input("topics", flow, TopicsSource({topic: source(topic) for topic in SOURCES}, epochs))
    # Sourced("events", Record(0, 17, 1763690000000, key, b'{"v":1,"source":"web"}\n{"type":"track",...}'))
    routed: KeyedStream[list[ShardItem]] = op.flat_map_batch("route", items, router)
    # ("3.5", [QueuedDelivery(Delivery(destination="crm", ...), topic="events", partition=0, offset=17)])
    # ("0.3", [OutgoingRecord("outcomes", b"0:17", b'{"v":1,"kind":"received","routes":[["9f..","crm",""]],...}')])
    settled: KeyedStream[list[OutgoingRecord]] = op.stateful_batch("deliver", routed, shard)
    # ("3.5", [OutgoingRecord("outcomes", b"9f..", b'{"v":1,"kind":"outcome","state":"delivered",...}'),
    #        OutgoingRecord("retries.30s", b"9f..",
    # b'{"v":1,"delivery_id":"9f..","attempts":1,...}\n{"type":"track",...}')])
    homed: KeyedStream[list[OutgoingRecord]] = op.map("assign_local_partition", settled, sink.assign_local_partition)
    # ("5", [...]): to be appended by the process that made them
    op.output("append", homed, sink)
    return flow


def flow() -> Dataflow:
    """For ``python -m bytewax.run "flows.delivery:flow()"``; see `flows.runtime.worker`."""
    from flows.delivery import run as delivery_run

    def prepare(installation: Deployment, worker: Worker) -> RunnableFlow:
        run = delivery_run.prepare(installation, worker.stop, share=worker.share, connected=worker.connected)
        return RunnableFlow(run.flow, run.close)

    return run_worker(FLOW, prepare)
