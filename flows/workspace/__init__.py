"""The workspace file at run time: read (`loader`), compiled for delivery (`compiled`), active (`live`), reloaded when it
changes (`reloader`). `discards` counts the pending deliveries a change would discard; `outbound` reads proxy and CA.
"""
