// docs/sdks.md: Node.js

const tell = (what) => console.log(JSON.stringify(what))
analytics.on('error', (error) => tell({ error: error.code, status: error.response?.status ?? error.reason?.status }))

const calls = {
  identify: { userId: 'u1', traits: { plan: 'free' } },
  track: { userId: 'u1', event: 'Signed Up', properties: { plan: 'free' }, timestamp: '2026-05-01T10:00:00Z' },
  page: { userId: 'u1', name: 'Home', category: 'Docs' },
  screen: { anonymousId: 'a1', name: 'Start' },
  group: { userId: 'u1', groupId: 'g1', traits: { name: 'Initech' } },
  alias: { userId: 'u1', previousId: 'a1' },
}
for (const [type, call] of Object.entries(calls)) {
  analytics[type](call, (error) => tell({ call: type, failed: Boolean(error) }))
}
process.stdin.resume().on('end', () => analytics.closeAndFlush().then(() => process.exit(0)))
