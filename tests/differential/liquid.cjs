// {template, event}: what Segment's @liquid makes of the event. The clock stands still.
'use strict'
const { transform } = require('@segment/actions-core/mapping-kit')

module.exports = ({ template, event }) => transform({ x: { '@liquid': template } }, event).x
