"""Read views in a process of its own: ``... view_process STORE_URL``, [[name, parameters], ...] on stdin."""

import sys

import orjson

from sinks.clickhouse.store import open_store

store = open_store(sys.argv[1])
answers = [store.view(name, **parameters) for name, parameters in orjson.loads(sys.stdin.buffer.read())]
sys.stdout.buffer.write(orjson.dumps(answers))
store.close()
