// One event of each call type; what the SDK says goes to the server of the page.

const tell = (what) => fetch('/told', { method: 'POST', body: JSON.stringify(what) })
const { error } = console
console.error = (...words) => {
  tell({ console: words.map(String).join(' ') })
  error(...words)
}
window.addEventListener('error', (event) => tell({ error: event.message }))
window.addEventListener('unhandledrejection', (event) => tell({ error: String(event.reason) }))

analytics.identify('u1', { plan: 'free' })
analytics.track('Signed Up', { plan: 'free' })
analytics.page('Docs', 'Home')
if (analytics.screen) analytics.screen('Start')
analytics.group('g1', { name: 'Initech' })
analytics.alias('u1', 'a1')
