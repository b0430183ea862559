// {destinations}, the folder of built destinations in @segment/action-destinations: every trigger they ship, once each.
// They are loaded without the packages they call partners with, which no preset needs.
'use strict'
const fs = require('node:fs')
const Module = require('node:module')
const path = require('node:path')

const anything = new Proxy(function () {}, {
  get: (target, name) => {
    if (name === Symbol.toPrimitive) return () => ''
    if (name === Symbol.iterator) return function* () {}
    return name === 'prototype' ? target.prototype : anything
  },
  apply: () => anything,
  construct: () => anything
})

function loadWithoutPackages(folder) {
  const load = Module._load
  Module._load = function (request) {
    return request.startsWith('.') || path.isAbsolute(request) ? load.apply(this, arguments) : anything
  }
  try {
    return require(folder).default
  } finally {
    Module._load = load
  }
}

module.exports = ({ destinations }) => {
  const triggers = new Set()
  for (const name of fs.readdirSync(destinations)) {
    const folder = path.join(destinations, name)
    if (!fs.existsSync(path.join(folder, 'index.js'))) continue
    const { presets, actions } = loadWithoutPackages(folder)
    for (const preset of Array.isArray(presets) ? presets : []) triggers.add(preset.subscribe)
    for (const action of Object.values(actions ?? {})) triggers.add(action.defaultSubscription)
  }
  return [...triggers].filter((trigger) => typeof trigger === 'string' && trigger.trim())
}
