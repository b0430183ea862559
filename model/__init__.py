"""Plain typed code of Waybill's terms and rules: no I/O, no clock, no Bytewax. Imports no other package of Waybill.

Reading topics, calling destinations and storing rows stand in `flows` and `sinks`.
"""
