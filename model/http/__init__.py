"""HTTP requests and responses as data: what a response means, rules that override it, signatures.

The engines that make calls stand in `sinks.http`.
"""
