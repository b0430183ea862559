"""Mappings: directives that compute the payload for a destination from an event, compiled once."""
