// {trigger, events}: for each event whether the trigger matches it. A trigger Segment cannot read is an error.
'use strict'
const { parseFql, validate } = require('@segment/destination-subscriptions')

module.exports = ({ trigger, events }) => {
  const parsed = parseFql(trigger)
  if (parsed.error) throw parsed.error
  return events.map((event) => validate(parsed, event))
}
