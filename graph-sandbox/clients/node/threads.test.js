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
  ({ psid } = await control('POST', `pages/${PAGE_A}/message`, { text: 'hi', name: 'Kim Kunde' }));
});

test('a person who wrote gets an answer', async () => {
  const sent = await bot.sendText(psid, 'hello');
  assert.equal(sent.recipientId, psid);
  assert.ok(sent.messageId);
  assert.deepEqual(await bot.typingOn(psid), { recipientId: psid });
  const stranger = await refusal(bot.sendText('7999999999999999', 'hello'));
  checkError(stranger, 400, 100, 2018001, 'OAuthException', /No matching user found/);
});

test('the profile of a person who wrote', async () => {
  const profile = await bot.getUserProfile(psid);
  assert.deepEqual([profile.id, profile.name, profile.firstName, profile.lastName], [psid, 'Kim Kunde', 'Kim', 'Kunde']);
  assert.match(profile.profilePic, /^https:/);
  const stranger = await refusal(bot.getUserProfile('7999999999999999'));
  checkError(stranger, 400, 100, 33, 'GraphMethodException', /does not exist/);
});

test('an attachment is uploaded once and sent by its id', async () => {
  const { attachmentId } = await bot.uploadImage('https://cdn.example.com/image.jpg', { isReusable: true });
  for (const sent of [await bot.sendImage(psid, { attachmentId }), await bot.sendImage(psid, { attachmentId })]) {
    assert.equal(sent.recipientId, psid);
  }
  const unknown = await refusal(bot.sendImage(psid, { attachmentId: '1857777774821032' }));
  checkError(unknown, 400, 100, undefined, 'OAuthException', /attachment_id/);
  assert.ok((await bot.uploadFile(Buffer.from('text'), { filename: 'a.txt' })).attachmentId);
});

test('personas speak until they are deleted', async () => {
  const persona = { name: 'Ava A.', profilePictureUrl: 'https://cdn.example.com/ava.jpg' };
  const { id } = await bot.createPersona(persona);
  assert.deepEqual(await bot.getPersona(id), { id, ...persona });
  for (let n = 0; n < 30; n += 1) await bot.createPersona({ ...persona, name: `Helper ${n}` });
  const all = await bot.getAllPersonas();
  assert.equal(all.length, 31);
  assert.ok((await bot.sendText(psid, 'Ava here', { personaId: id })).messageId);
  assert.deepEqual(await bot.typingOn(psid, { personaId: id }), { recipientId: psid });
  assert.deepEqual(await bot.deletePersona(id), { success: true });
  const refused = await refusal(bot.sendText(psid, 'Ava here', { personaId: id }));
  checkError(refused, 400, 100, undefined, 'OAuthException', /persona_id/);
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
