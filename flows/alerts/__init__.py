"""The parts of the alerting flow: evaluating closed minutes, the outbox, and those who take messages out of it."""
