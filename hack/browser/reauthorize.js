// A person with a phone authorizes again: start page, login dialog, confirmation; and meets some of what can go wrong.
//
// SCENE: {"start": URL of the start page, "port": of the TLS front, "spki": digest of its key, "person", "pages": {"used",
// "unused"}}. All hosts are the real ones; they are mapped to the front, which leads to gateway and sandbox.
// With {"hold": true} the browser only shows that it can draw text, and stays until it is stopped.

import assert from 'node:assert/strict';
import { readFileSync, readdirSync, realpathSync } from 'node:fs';
import { join, sep } from 'node:path';
import puppeteer from 'puppeteer-core';

const scene = JSON.parse(process.argv[2]);
const pictures = process.argv[3];
const { origin } = new URL(scene.start ?? 'about:blank');

/** For one step in the browser, which takes seconds on a busy machine, and for all of them, in milliseconds. */
const STEP = 60_000;
const ALL = 300_000;

/** A browser without an answer would hold up everything that waits for one. */
function giveUp(why) {
  console.error(`FAILED: ${why}`);
  // Ends the browser, too.
  process.exit(1);
}
setTimeout(giveUp, ALL, `not done after ${ALL / 1000} s`).unref();

const browser = await puppeteer.launch({
  executablePath: join(import.meta.dirname, 'browser.sh'),
  headless: 'shell',
  // It ends when nobody holds the other end.
  pipe: true,
  timeout: STEP,
  protocolTimeout: STEP,
  // Not those that the package recommends: they switch off what is tested here.
  args: [
    '--no-sandbox',
    '--no-zygote',
    '--disable-gpu',
    '--disable-dev-shm-usage',
    `--host-resolver-rules=MAP * 127.0.0.1:${scene.port}`,
    `--ignore-certificate-errors-spki-list=${scene.spki}`,
  ],
});
browser.on('disconnected', () => giveUp('the browser ended'));

/** A tab in which a page that ended is not waited for. */
async function open(context) {
  const page = await context.newPage();
  page.setDefaultTimeout(STEP);
  page.on('error', error => giveUp(`a page ended: ${error}`));
  return page;
}

/** Where pictures are checked: no page that is tested may do that. */
const bench = await open(browser);

/** The colors in a picture of part of a page, each as often as it occurs. */
async function colors(page, selector) {
  const clip = await page.$eval(selector, element => {
    const { x, y, width, height } = element.getBoundingClientRect();
    return { x: x + scrollX, y: y + scrollY, width, height };
  });
  const picture = await page.screenshot({ clip, encoding: 'base64' });
  return bench.evaluate(async picture => {
    const image = new Image();
    image.src = `data:image/png;base64,${picture}`;
    await image.decode();
    const canvas = new OffscreenCanvas(image.width, image.height).getContext('2d');
    canvas.drawImage(image, 0, 0);
    const { data } = canvas.getImageData(0, 0, image.width, image.height);
    const counts = {};
    for (const color of new Uint32Array(data.buffer)) counts[color] = (counts[color] ?? 0) + 1;
    return counts;
  }, picture);
}

/** Without a font, all letters are nothing or the same box, and a list to choose from ends the page. The fonts of the machine do not count. */
async function canDrawText() {
  const page = await open(browser);
  const letters = ['i', 'W', '\u{10FFFE}'];
  await page.setContent(letters.map((letter, n) => `<p id="l${n}" style="width: 2em; font-size: 40px">${letter}</p>`).join(''));
  const drawn = await Promise.all(letters.map(async (_, n) => JSON.stringify(await colors(page, `#l${n}`))));
  assert.equal(new Set(drawn).size, letters.length, 'each letter is drawn otherwise, and not as one that no font has');
  const fonts = fontsInUse();
  assert(fonts.length > 0, 'a font is in use');
  const own = realpathSync(join(import.meta.dirname, 'unpacked')) + sep;
  for (const font of fonts) assert(font.startsWith(own), `${font} did not come with the browser`);
}

/** The font files that the browser and what it started hold in memory. */
function fontsInUse() {
  const read = file => {
    try {
      return readFileSync(file, 'utf8');
    } catch {
      // It ended.
      return '';
    }
  };
  // After the name, which may hold anything: state and parent.
  const parent = pid => read(`/proc/${pid}/stat`).replace(/^.*\) /s, '').split(' ')[1];
  const isOurs = pid => Number(pid) > 1 && (Number(pid) === browser.process().pid || isOurs(parent(pid)));
  const maps = readdirSync('/proc').filter(name => /^\d+$/.test(name) && isOurs(name)).map(pid => read(`/proc/${pid}/maps`));
  return maps.join('').match(/\/\S*\.(ttf|ttc|otf|pfb)$/gm) ?? [];
}

try {
  await canDrawText();
} catch (error) {
  giveUp(`the browser draws no text with its own fonts: ${error}`);
}
if (scene.hold) {
  console.log('held');
  await new Promise(() => {});
}

/** Codes and states that went through this browser; none may stay anywhere. */
const secrets = new Set();
const complaints = [];

/** A tab of a browser that nobody used before. */
async function fresh() {
  const context = await browser.createBrowserContext();
  const page = await open(context);
  await page.setViewport({ width: 390, height: 844, deviceScaleFactor: 2, isMobile: true, hasTouch: true });
  const session = await page.createCDPSession();
  await session.send('Network.enable');
  await session.send('Log.enable');
  await session.send('Audits.enable');
  session.on('Audits.issueAdded', ({ issue }) => complaints.push(JSON.stringify(issue)));
  session.on('Log.entryAdded', ({ entry }) => {
    // That a page answers with 403 is meant; all else is not.
    if (!/status of (403|404|503)/.test(entry.text)) complaints.push(`${entry.text} ${entry.url}`);
  });
  page.on('pageerror', error => complaints.push(String(error)));
  page.on('request', request => {
    const url = new URL(request.url());
    if (url.origin === origin) for (const name of ['code', 'state']) {
      const value = url.searchParams.get(name);
      if (value) secrets.add(value);
    }
  });
  return { context, page, session };
}

/** Takes a picture, and looks for what must not be there. */
async function seen({ context, page, session }, name, title, path) {
  assert.equal(await page.$eval('h1', element => element.textContent), title);
  const url = new URL(page.url());
  if (url.origin === origin) {
    // Each login that was begun in the browser has a page of its own; its id is no secret.
    const flow = path === CONFIRM ? FLOW : /^$/;
    assert.equal(url.pathname + url.hash, path, 'the address');
    assert.match(url.search, flow, 'what follows the address');
    const content = await page.content();
    for (const secret of secrets) assert(!content.includes(secret), `${name}: a secret in the page`);
    assert(!content.includes('EAA'), `${name}: a token in the page`);
    assert.equal(await page.evaluate('document.cookie'), '', 'scripts see no cookie');
    assert.equal(await page.evaluate('document.scripts.length'), 0);
    assert.equal(await page.evaluate('document.referrer'), '');
    const wide = await page.evaluate('document.documentElement.scrollWidth');
    assert(wide <= 390, `${name}: ${wide} pixels wide`);
    const { entries } = await session.send('Page.getNavigationHistory');
    for (const entry of entries.filter(entry => new URL(entry.url).origin === origin)) {
      assert(!/[?#]/.test(entry.url.replace(FLOW, '')), `${name}: ${entry.url} in the history`);
    }
    const codes = JSON.stringify(entries.map(entry => entry.url));
    for (const secret of secrets) assert(!codes.includes(`code=${secret}`), `${name}: a code in the history`);
  }
  for (const cookie of await context.cookies()) {
    assert(cookie.httpOnly && cookie.secure && cookie.sameSite === 'Lax' && cookie.path === '/', cookie.name);
    assert(cookie.name.startsWith('__Host-') && !TOKEN.test(cookie.value) && !cookie.value.split('.').some(encodesToken), cookie.name);
  }
  const drawn = Object.keys(await colors(page, 'h1')).length;
  assert(drawn > 4, `${name}: the heading has ${drawn} colors, so no letters`);
  if (pictures) await page.screenshot({ path: join(pictures, `${name}.png`), fullPage: true });
}

/** How a token of Meta begins. In the middle of a random value the three letters may stand by chance. */
const TOKEN = /^EAA/;
const encodesToken = part => /EAA[0-9A-Za-z]{20}/.test(Buffer.from(part, 'base64url').toString('latin1'));

const click = (page, selector) => Promise.all([page.waitForNavigation(), page.click(selector)]);

/** From the start page to the login dialog. */
async function begin(tab, name) {
  await tab.page.goto(scene.start);
  await seen(tab, `${name}-1-start`, 'Authorize again', new URL(scene.start).pathname);
  await click(tab.page, 'button');
  assert.equal(new URL(tab.page.url()).origin, 'https://www.facebook.com');
  await seen(tab, `${name}-2-dialog`, 'Log in');
}

/** Logs in and agrees to some pages or to all. */
async function agree({ page }, pages) {
  await page.select('select[name=person]', scene.person);
  if (pages) await page.click('input[value=selected]');
  for (const id of pages ?? []) await page.click(`input[value="${id}"]`);
  await click(page, 'button[value=continue]');
}

const CONFIRM = '/oauth/confirm';
const FLOW = /\?flow=[0-9a-f]{32}$/;

async function authorizesAgain() {
  const tab = await fresh();
  await begin(tab, 'good');
  await agree(tab);
  await seen(tab, 'good-3-confirm', 'Use this authorization?', CONFIRM);
  await tab.page.reload();
  await seen(tab, 'good-3-confirm', 'Use this authorization?', CONFIRM);
  await click(tab.page, 'button[value=use]');
  await seen(tab, 'good-4-done', 'Thank you', CONFIRM);
  await tab.page.goBack();
  await seen(tab, 'good-5-back', 'Thank you', CONFIRM);
}

async function choosesTooFewPages() {
  const tab = await fresh();
  await begin(tab, 'few');
  await agree(tab, [scene.pages.unused]);
  await seen(tab, 'few-3-refused', 'Pages are missing', CONFIRM);
  // The way out is on the page.
  await click(tab.page, 'button');
  await agree(tab, [scene.pages.used]);
  await seen(tab, 'few-4-confirm', 'Use this authorization?', CONFIRM);
  await click(tab.page, 'button[value=drop]');
  await seen(tab, 'few-5-dropped', 'Not used', CONFIRM);
}

async function saysNo() {
  const tab = await fresh();
  await begin(tab, 'no');
  await click(tab.page, 'button[value=cancel]');
  await seen(tab, 'no-3-declined', 'You did not agree at Facebook', CONFIRM);
}

/** Someone else's browser, with an address that was sent to it. */
async function followsAStrangersLink() {
  const [attacker, victim] = [await fresh(), await fresh()];
  await begin(attacker, 'stranger');
  await victim.page.goto(attacker.page.url());
  await agree(victim);
  await seen(victim, 'stranger-3-refused', 'Not started in this browser', '/oauth/other-browser');
}

/** A page of another site that posts to ours. */
async function isUsedByAnotherSite() {
  const tab = await fresh();
  await tab.page.setContent(`<form method="post" action="${scene.start}"><button>x</button></form>`);
  await click(tab.page, 'button');
  await seen(tab, 'site-1-refused', 'Not from this page', new URL(scene.start).pathname);
}

let failed = 0;
for (const story of [authorizesAgain, choosesTooFewPages, saysNo, followsAStrangersLink, isUsedByAnotherSite]) {
  try {
    await story();
    console.log(`ok ${story.name}`);
  } catch (error) {
    failed += 1;
    console.error(`FAILED ${story.name}:`, error);
  }
}
try {
  assert.deepEqual(complaints, [], 'the browser complains');
  assert(secrets.size > 0);
} catch (error) {
  failed += 1;
  console.error(error);
}
// What went through the browser, for whoever looks for it in logs.
console.log(JSON.stringify({ secrets: [...secrets] }));
browser.off('disconnected');
await browser.close();
process.exit(failed ? 1 : 0);
