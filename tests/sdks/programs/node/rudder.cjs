// docs/sdks.md: RudderStack, Node.js

const tell = (what) => console.log(JSON.stringify(what))
analytics.logger.error = () => {} // it says each retry
analytics.errorHandler = (error) => tell({ error: error.response?.data?.code, status: error.response?.status })

const calls = {
  identify: { userId: 'u1', traits: { plan: 'free' } },
  track: { userId: 'u1', event: 'Signed Up', properties: { plan: 'free' }, originalTimestamp: new Date('2026-05-01T10:00:00Z') },
  page: { userId: 'u1', name: 'Home', category: 'Docs' },
  screen: { anonymousId: 'a1', name: 'Start' },
  group: { userId: 'u1', groupId: 'g1', traits: { name: 'Initech' } },
  alias: { userId: 'u1', previousId: 'a1' },
}
for (const [type, call] of Object.entries(calls)) {
  analytics[type](call, (error) => tell({ call: type, failed: Boolean(error) }))
}
analytics.flush()
process.stdin.resume().on('end', () => process.exit(0))
