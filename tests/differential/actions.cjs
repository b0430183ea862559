// {transformers, events}: each event as {made} by tsub's transformers, null when dropped, or {failed}.
'use strict'
const { transform } = require('@segment/tsub')

module.exports = ({ transformers, events }) =>
  events.map((event) => {
    try {
      return { made: transform(event, transformers) }
    } catch (error) {
      return { failed: String(error) }
    }
  })
