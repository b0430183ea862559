"""Alert rules for people: storing, checking and changing them, backtests, channel tests, subscriptions."""
