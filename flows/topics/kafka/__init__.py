"""Topics on Apache Kafka. One consumer is shared by all readers of a thread; errors become `TopicError`s in `errors`."""
