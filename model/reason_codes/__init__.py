"""Reason codes: what happened to an event, who has to act and what to do. Codes of one partner stand in its file."""
