'use strict';
// Messages, threads and the messenger profile, through messaging-api-messenger.

const assert = require('node:assert/strict');
const { before, test } = require('node:test');
const sandbox = require('./sandbox');

const { ACME, PAGE_A, TOKEN_A, client, control, refusal, checkError } = sandbox;

const INBOX_APP = '263902037430900';
const bot = client(TOKEN_A);
let psid;

// Meta writes the id as a number here.
const owner = async () => String((await bot.getThreadOwner(psid)).appId);

before(async () => {
  await control('POST', `pages/${PAGE_A}/routing`, { default_app: ACME.appId, take_control: [ACME.appId] });
  ({ psid } = await control('POST', `pages/${PAGE_A}/message`, { text: 'hi', name: 'Kim' }));
});

test('a person who wrote gets an answer', async () => {
  const sent = await bot.sendText(psid, 'hello');
  assert.equal(sent.recipientId, psid);
  assert.ok(sent.messageId);
  assert.deepEqual(await bot.typingOn(psid), { recipientId: psid });
  const stranger = await refusal(bot.sendText('7999999999999999', 'hello'));
  checkError(stranger, 400, 100, 2018001, 'OAuthException', /No matching user found/);
});

test('a thread goes to the inbox and comes back', async () => {
  assert.equal(await owner(), ACME.appId);
  assert.deepEqual(await bot.passThreadControlToPageInbox(psid, 'a person shall look'), { success: true });
  assert.equal(await owner(), INBOX_APP);
  const refused = await refusal(bot.sendText(psid, 'still me'));
  checkError(refused, 400, 10, 2018300, 'OAuthException', /another app/i);
  assert.deepEqual(await bot.takeThreadControl(psid), { success: true });
  assert.equal(await owner(), ACME.appId);
});

test('the messenger profile', async () => {
  await bot.setMessengerProfile({ getStarted: { payload: 'START' }, greeting: [{ locale: 'default', text: 'Hi!' }] });
  assert.deepEqual(await bot.getGetStarted(), { payload: 'START' });
  assert.deepEqual(await bot.getGreeting(), [{ locale: 'default', text: 'Hi!' }]);
  await bot.deleteGreeting();
  assert.equal(await bot.getGreeting(), null);
});
