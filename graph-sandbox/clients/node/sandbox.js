'use strict';
// The sandbox that the runner started, the names of its seed, and the client pointed at it.

const assert = require('node:assert/strict');
const { MessengerClient } = require('messaging-api-messenger');

const URL = process.env.GRAPH_SANDBOX_URL;
assert.ok(URL, 'GRAPH_SANDBOX_URL is not set: start these tests with run.sh');

const ACME = { appId: '1111000011110000', appSecret: 'sandbox-app-secret-0000000000000000' };
const OTHER = { appId: '9999000099990000', appSecret: 'sandbox-other-secret-000000000000000' };

const seed = {
  ACME,
  OTHER,
  PERSON: '6600000000000001',
  PAGE_A: '2200000000000001',
  PAGE_B: '2200000000000002',
  APP_TOKEN: `${ACME.appId}|${ACME.appSecret}`,
  TOKEN_A: 'EAAsandbox-page-a-000000000000000000',
  TOKEN_B: 'EAAsandbox-page-b-000000000000000000',
  TOKEN_A_BARE: 'EAAsandbox-page-a-bare-0000000000000',
  TOKEN_A_EXPIRED: 'EAAsandbox-page-a-expired-0000000000',
  TOKEN_A_PASSWORD: 'EAAsandbox-page-a-password-000000000',
  OTHER_TOKEN_A: 'EAAsandbox-other-app-page-a-00000000',
};

/** A client with this token; `origin` is its own setting for the host. */
function client(accessToken, more = ACME) {
  return new MessengerClient({ accessToken, version: '25.0', origin: URL, ...more });
}

/** A call of the sandbox's control API. */
async function control(method, path, body) {
  const answer = await fetch(`${URL}/_sandbox/${path}`, { method, body: body && JSON.stringify(body) });
  const text = await answer.text();
  assert.ok(answer.ok, `${method} ${path}: ${text}`);
  return JSON.parse(text);
}

/** The entry of the newest Graph call. */
async function lastEntry() {
  return (await control('GET', 'ledger')).entries.at(-1);
}

/** Status and the members of the Graph error of a call that must be refused, as the client tells them. */
async function refusal(promise) {
  const error = await promise.then(() => assert.fail('the call was accepted'), (caught) => caught);
  const body = error.response?.data?.error;
  assert.ok(body, `no Graph error: ${error.message}`);
  assert.equal(error.message, `Messenger API - ${body.code} ${body.type} ${body.message}`);
  return { status: error.response.status, ...body };
}

/** Checks an error, the message by pattern. */
function checkError(error, status, code, errorSubcode, type, message) {
  const found = { status: error.status, code: error.code, errorSubcode: error.errorSubcode, type: error.type };
  assert.deepEqual(found, { status, code, errorSubcode, type });
  assert.match(error.message, message);
  assert.equal(error.isTransient, false);
}

module.exports = { ...seed, client, control, lastEntry, refusal, checkError };
