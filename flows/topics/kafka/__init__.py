"""Topics on Apache Kafka. All readers of a thread share one consumer; errors become `TopicError`s in `errors`."""
