// Answers questions, one JSON line each: {kind, input} gives {result} or {error}, in the order asked.
// A kind is a file KIND.cjs beside this one that exports one function of the input; it may return a promise.
'use strict'
const path = require('node:path')
const readline = require('node:readline')

const kinds = new Map()
// Stdout carries answers alone; what packages print is passed on where a person can see it.
for (const name of ['log', 'info', 'debug']) console[name] = console.error

function kindNamed(name) {
  if (!kinds.has(name)) kinds.set(name, require(path.join(__dirname, `${name}.cjs`)))
  return kinds.get(name)
}

async function answer(line) {
  try {
    const { kind, input } = JSON.parse(line)
    // JSON has no undefined: such a result is an answer with neither result nor error.
    return JSON.stringify({ result: await kindNamed(kind)(input) })
  } catch (error) {
    return JSON.stringify({ error: String(error?.message ?? error) })
  }
}

async function main() {
  for await (const line of readline.createInterface({ input: process.stdin, crlfDelay: Infinity })) {
    process.stdout.write(`${await answer(line)}\n`)
  }
}

main()
