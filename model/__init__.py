"""The words of Waybill as plain typed code: no I/O, no clock, no Bytewax."""
