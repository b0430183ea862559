"""Mappings: what a destination is sent, made of an event by a few directives."""
