"""FQL, Segment's filter language: one parser, and two meanings: destination `filters` and mapping `triggers`."""
