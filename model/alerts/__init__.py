"""Alerting as plain typed code: rules, windows of counts, the state machine of a rule, and what messages say."""
