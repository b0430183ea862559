// Sends one event of each call type with Segment's Node SDK and prints one JSON line per finished call.
// node node_sdk.cjs URL WRITE_KEY

const { Analytics } = require('@segment/analytics-node')

const [host, writeKey] = process.argv.slice(2)
const analytics = new Analytics({ host, writeKey, flushAt: 4, maxRetries: 1 })
analytics.on('error', (error) => console.log(JSON.stringify({ error: error.code })))

const calls = {
  identify: { userId: 'u1', traits: { plan: 'free' } },
  track: { userId: 'u1', event: 'Signed Up', properties: { plan: 'free' }, timestamp: '2026-05-01T10:00:00Z' },
  page: { userId: 'u1', name: 'Home', category: 'Docs' },
  screen: { anonymousId: 'a1', name: 'Start' },
  group: { userId: 'u1', groupId: 'g1', traits: { name: 'Initech' } },
  alias: { userId: 'u1', previousId: 'a1' },
}
for (const [type, call] of Object.entries(calls)) {
  analytics[type](call, (error, context) =>
    console.log(JSON.stringify({ type, failed: Boolean(error), messageId: context.event.messageId })),
  )
}
analytics.closeAndFlush().then(() => console.log(JSON.stringify({ flushed: true })))
