"""An event as a source sends it: validation, normalization, ids, times, JSON with exact numbers, topic records."""
