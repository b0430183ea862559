"""The logs between the flows: events, retries, outcomes, minutes, dead letters.

`interface` is the seam (`Topics`, `Producer`, `Reader`), with SQLite and Apache Kafka behind it; `factory` picks one by
URL. `source` and `sink` connect topics to Bytewax: a position moves only after everything it covers is acknowledged.
"""
