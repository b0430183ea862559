"""How flows run: in a thread of `waybill up` (`runner`) or as a process of Bytewax's own runner (`worker`).

`deployment` opens a deployment's topics, data directory and store. `recovery` ties a recovery directory to its
topics, so that a lost one is refused instead of restarting silently from zero. `background` runs the periodic work.
"""
