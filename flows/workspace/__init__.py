"""The workspace file at run time.

`loader` reads it, `compiled` prepares it for delivery, `live` holds the active version, `reloader` applies changes.
`discards` counts the pending deliveries that a change would discard; `outbound` reads the proxy and CA settings.
"""
