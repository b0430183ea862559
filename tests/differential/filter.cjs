// {ir, events}: for each event whether the filter matches it; `ir` is its syntax tree as tsub takes it, see filter_cases.py.
'use strict'
const { matches } = require('@segment/tsub')

module.exports = ({ ir, events }) => events.map((event) => matches(event, { type: 'fql', ir: JSON.stringify(ir) }))
