"""Which connections and mappings an event goes to, compiled from the workspace, and the payload of a delivery."""
