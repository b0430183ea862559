"""FQL: one grammar, read by `parser`, and two meanings: destination `filters` and mapping `triggers`."""
