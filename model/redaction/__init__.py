"""What is hidden from samples, messages and logs. Events in topics are not redacted."""
