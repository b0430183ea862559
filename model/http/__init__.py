"""HTTP requests and responses as data: what a response means, rules that override it, signatures.

The engine that makes calls stands in `sinks.http`.
"""
