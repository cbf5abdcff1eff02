'use strict';
// Pages, tokens, webhooks and refusals, through messaging-api-messenger.

const assert = require('node:assert/strict');
const http = require('node:http');
const { test } = require('node:test');
const sandbox = require('./sandbox');

const { ACME, OTHER, PAGE_A, PAGE_B, client, control, lastEntry, refusal, checkError } = sandbox;

test('the page of a token, with chosen fields', async () => {
  const page = await client(sandbox.TOKEN_A).getPageInfo({ fields: ['name', 'is_published', 'category'] });
  assert.deepEqual(page, { id: PAGE_A, name: 'Acme Shop', isPublished: true, category: 'Brand' });
  assert.deepEqual(await client(sandbox.TOKEN_B).getPageInfo(), { id: PAGE_B, name: 'Acme Support' });
});

test('calls carry a valid proof', async () => {
  await client(sandbox.TOKEN_A).getPageInfo();
  const { template, proof, token, status } = await lastEntry();
  assert.deepEqual({ template, proof, status }, { template: '/{version}/{page-id}', proof: 'valid', status: 200 });
  assert.ok(token);
});

test('a token is inspected with the app token', async () => {
  const token = await client(sandbox.OTHER_TOKEN_A, { ...OTHER, skipAppSecretProof: true }).debugToken();
  assert.equal(token.isValid, true);
  assert.deepEqual([token.appId, token.type, token.profileId], [OTHER.appId, 'PAGE', PAGE_A]);
  assert.deepEqual(token.scopes, ['pages_show_list', 'pages_manage_metadata', 'pages_messaging']);
});

test('a proof of another token than the one in use is refused', async () => {
  // This client proves the inspected token, but calls with the app token.
  const error = await refusal(client(sandbox.TOKEN_A).debugToken());
  checkError(error, 400, 100, undefined, 'GraphMethodException', /Invalid appsecret_proof provided/);
});

test('a webhook is verified, listed and in force', async () => {
  const callback = await Callback.start('a-verify-token');
  try {
    const app = client(sandbox.TOKEN_A);
    const wanted = { callbackUrl: 'https://hooks.example.com/meta', fields: ['messages', 'standby'] };
    const error = await refusal(app.createSubscription({ ...wanted, verifyToken: 'another-verify-token' }));
    checkError(error, 400, 2200, undefined, 'OAuthException', /Callback verification failed/);
    assert.equal(await app.getPageSubscription(), null);
    assert.deepEqual(await app.createSubscription({ ...wanted, verifyToken: 'a-verify-token' }), { success: true });
    const row = await app.getPageSubscription();
    assert.deepEqual([row.object, row.callbackUrl, row.active], ['page', wanted.callbackUrl, true]);
    assert.deepEqual(row.fields.map((field) => field.name), wanted.fields);
    assert.equal((await app.getSubscriptions()).length, 1);
  } finally {
    callback.stop();
  }
});

test('app webhooks take the app token', async () => {
  const error = await refusal(client(sandbox.TOKEN_A).getSubscriptions({ accessToken: sandbox.TOKEN_A }));
  checkError(error, 400, 15, undefined, 'OAuthException', /must be called with an app access_token/);
});

test('tokens that ended say why', async () => {
  const expired = await refusal(client(sandbox.TOKEN_A_EXPIRED).getPageInfo());
  checkError(expired, 400, 190, 463, 'OAuthException', /Session has expired on/);
  assert.ok(expired.fbtraceId);
  const password = await refusal(client(sandbox.TOKEN_A_PASSWORD).getPageInfo());
  checkError(password, 400, 190, 460, 'OAuthException', /changed their password/);
});

test('an unknown field, a hidden object', async () => {
  const field = await refusal(client(sandbox.TOKEN_A).getPageInfo({ fields: ['nonsense'] }));
  checkError(field, 400, 100, undefined, 'OAuthException', /nonexisting field \(nonsense\) on node type \(Page\)/);
  const hidden = await refusal(client(sandbox.TOKEN_A).getUserProfile(PAGE_B));
  checkError(hidden, 400, 100, 33, 'GraphMethodException', /Object with ID '2200000000000002' does not exist/);
});

test('proofs that are absent or of another secret', async () => {
  const absent = await refusal(client(sandbox.TOKEN_A, {}).getPageInfo());
  checkError(absent, 400, 100, undefined, 'GraphMethodException', /require an appsecret_proof argument/);
  const wrong = await refusal(client(sandbox.TOKEN_A, { ...ACME, appSecret: OTHER.appSecret }).getPageInfo());
  checkError(wrong, 400, 100, undefined, 'GraphMethodException', /Invalid appsecret_proof provided/);
});

test('answers that are no Graph errors', async () => {
  await control('POST', 'faults', { match: { page: PAGE_A }, times: 1, do: 'html' });
  await assert.rejects(client(sandbox.TOKEN_A).getPageInfo(), (error) => {
    assert.equal(error.response.status, 502);
    assert.match(error.response.data, /^<!DOCTYPE html>/);
    return true;
  });
});

/** A webhook on loopback that stands in for hooks.example.com. */
class Callback {
  static async start(verifyToken) {
    const server = http.createServer((request, response) => {
      const query = new URLSearchParams(request.url.split('?')[1]);
      const known = query.get('hub.mode') === 'subscribe' && query.get('hub.verify_token') === verifyToken;
      response.writeHead(known ? 200 : 403).end(known ? query.get('hub.challenge') : '');
    });
    await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
    await control('PUT', 'resolve', { 'hooks.example.com': `http://127.0.0.1:${server.address().port}` });
    return new Callback(server);
  }

  constructor(server) {
    this.server = server;
  }

  stop() {
    this.server.close();
    this.server.closeAllConnections();
  }
}
