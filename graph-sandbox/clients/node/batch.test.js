'use strict';
// Batches, through messaging-api-messenger.

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { MessengerBatch } = require('messaging-api-messenger');
const sandbox = require('./sandbox');

const { ACME, OTHER, PAGE_A, PAGE_B, TOKEN_A, TOKEN_B, client, checkError } = sandbox;

const read = (id, accessToken) => MessengerBatch.getUserProfile(id, { fields: ['name'], accessToken });

test('each operation has its own token, proof and answer', async () => {
  const [a, b, expired, missing] = await client(TOKEN_A).sendBatch([
    read(PAGE_A),
    read('me', TOKEN_B),
    read(PAGE_A, sandbox.TOKEN_A_EXPIRED),
    read('2299999999999999'),
  ]);
  assert.deepEqual([a.code, a.body], [200, { id: PAGE_A, name: 'Acme Shop' }]);
  assert.deepEqual([b.code, b.body], [200, { id: PAGE_B, name: 'Acme Support' }]);
  checkError({ status: expired.code, ...expired.body.error }, 400, 190, 463, 'OAuthException', /Session has expired/);
  checkError({ status: missing.code, ...missing.body.error }, 400, 100, 33, 'GraphMethodException', /does not exist/);
});

test('a token and parameters in the body of an operation', async () => {
  const path = `${PAGE_B}/subscribed_apps`;
  const [subscribed, rows, removed, left] = [
    ...(await client(TOKEN_A).sendBatch([
      { method: 'POST', relativeUrl: path, body: { accessToken: TOKEN_B, subscribedFields: ['messages', 'feed'] } },
    ])),
    ...(await client(TOKEN_B).sendBatch([{ method: 'GET', relativeUrl: path }])),
    ...(await client(sandbox.APP_TOKEN).sendBatch([{ method: 'DELETE', relativeUrl: path }])),
    ...(await client(TOKEN_B).sendBatch([{ method: 'GET', relativeUrl: path }])),
  ];
  assert.deepEqual([subscribed.code, subscribed.body], [200, { success: true }]);
  assert.deepEqual(
    rows.body.data.map((row) => [row.id, row.subscribedFields]),
    [[ACME.appId, ['messages', 'feed']]],
  );
  assert.deepEqual([removed.body, left.body], [{ success: true }, { data: [] }]);
});

test('headers of the operations come when they are asked for', async () => {
  const [withHeaders] = await client(TOKEN_A).sendBatch([read(PAGE_A)]);
  const version = withHeaders.headers.find(({ name }) => name.toLowerCase() === 'facebook-api-version');
  assert.equal(version.value, 'v25.0');
  const [without] = await client(TOKEN_A).sendBatch([read(PAGE_A)], { includeHeaders: false });
  assert.equal(without.headers, undefined);
});

test('a proof of another secret', async () => {
  const batch = [read(PAGE_A), read('me', TOKEN_B)];
  const answers = await client(TOKEN_A, { ...ACME, appSecret: OTHER.appSecret }).sendBatch(batch);
  for (const { code, body } of answers) {
    const text = /Invalid appsecret_proof provided/;
    checkError({ status: code, ...body.error }, 400, 100, undefined, 'GraphMethodException', text);
  }
});
