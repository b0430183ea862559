// {mapping, event}: what Segment's mapping kit makes of the event.
'use strict'
const { transform } = require('@segment/actions-core')

module.exports = ({ mapping, event }) => transform(mapping, event)
