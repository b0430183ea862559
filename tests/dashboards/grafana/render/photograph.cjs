// node photograph.cjs <browser> <directory of the page> <directory of icons> <picture> <width> <height>
// Opens the page without any network: what it asks for comes from the two directories, and nothing else is answered.
const path = require('node:path');
const { chromium } = require('playwright-core');

const [browserPath, pageDirectory, iconDirectory, picture, width, height] = process.argv.slice(2);
const ORIGIN = 'http://dashboard.invalid';
const ICONS = '/public/build/';
const PATIENCE_MS = 60_000;

async function main() {
  const browser = await chromium.launch({ executablePath: browserPath, args: ['--no-sandbox', '--disable-gpu'] });
  try {
    const page = await browser.newPage({ viewport: { width: Number(width), height: Number(height) } });
    const errors = [];
    page.on('pageerror', (error) => errors.push(String(error)));
    await page.route('**/*', (route) => {
      const url = new URL(route.request().url());
      if (url.origin !== ORIGIN) return route.abort();
      const inside = path.normalize(decodeURIComponent(url.pathname));
      const file = inside.startsWith(ICONS) ? path.join(iconDirectory, inside.slice(ICONS.length)) : path.join(pageDirectory, inside);
      return route.fulfill({ path: file }).catch(() => route.abort());
    });
    await page.goto(`${ORIGIN}/page.html`);
    await page.waitForFunction(() => document.title !== 'drawing', null, { timeout: PATIENCE_MS });
    if ((await page.title()) !== 'drawn') errors.push(await page.innerText('body'));
    if (errors.length) throw new Error(errors.join('\n'));
    await page.screenshot({ path: picture });
  } finally {
    await browser.close();
  }
}

main().catch((error) => {
  console.error(error.message);
  process.exitCode = 1;
});
