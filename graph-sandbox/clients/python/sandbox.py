"""The sandbox that the runner started, the names of its seed, and the SDK pointed at it."""

import json
import os
import unittest
import urllib.error
import urllib.request
import warnings

from facebook_business.api import FacebookAdsApi
from facebook_business.exceptions import FacebookRequestError
from facebook_business.session import FacebookSession

URL = os.environ["GRAPH_SANDBOX_URL"]
# The SDK's own setting for the host; nothing else of it is touched.
FacebookSession.GRAPH = URL

APP = "1111000011110000"
SECRET = "sandbox-app-secret-0000000000000000"
APP_TOKEN = f"{APP}|{SECRET}"
OTHER_APP = "9999000099990000"
OTHER_SECRET = "sandbox-other-secret-000000000000000"
INBOX_APP = "263902037430900"
PERSON = "6600000000000001"
NEWCOMER = "6600000000000002"
PAGE_A = "2200000000000001"
PAGE_B = "2200000000000002"
ALL_PAGES = [f"220000000000000{n}" for n in range(1, 8)]
TOKEN_A = "EAAsandbox-page-a-000000000000000000"
TOKEN_B = "EAAsandbox-page-b-000000000000000000"
TOKEN_A_BARE = "EAAsandbox-page-a-bare-0000000000000"
TOKEN_A_EXPIRED = "EAAsandbox-page-a-expired-0000000000"
TOKEN_A_PASSWORD = "EAAsandbox-page-a-password-000000000"
USER_TOKEN = "EAAsandbox-user-00000000000000000000"


def control(method, path, body=None):
    """A call of the sandbox's control API."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{URL}/_sandbox/{path}", data=data, method=method)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            raise AssertionError(f"{method} {path}: {error.read().decode()}") from None


def ledger():
    """What the sandbox was asked, oldest first."""
    return control("GET", "ledger")["entries"]


def fault(match, effect):
    """Has the next call that matches fail this way."""
    control("POST", "faults", {"match": match, "times": 1, "do": effect})


class SandboxTest(unittest.TestCase):
    """A test with a ledger of its own."""

    def setUp(self):
        # The SDK warns of fields it does not list, which some tests ask for on purpose.
        caught = warnings.catch_warnings()
        caught.__enter__()
        self.addCleanup(caught.__exit__, None, None, None)
        warnings.simplefilter("ignore", UserWarning)
        control("DELETE", "ledger")

    def api(self, token, secret=SECRET, app=APP):
        """The SDK, with this token and, unless the secret is None, a proof for each call."""
        session = FacebookSession(app_id=app, app_secret=secret, access_token=token, timeout=10)
        self.addCleanup(session.requests.close)
        return FacebookAdsApi(session)

    def refused(self, call, *arguments, **named):
        """The SDK's typed error of a call that must be refused."""
        with self.assertRaises(FacebookRequestError) as caught:
            call(*arguments, **named)
        return caught.exception

    def assert_error(self, error, status, code, subcode, kind, message):
        """Checks all that the SDK reads out of an error; the message by pattern."""
        self.assertEqual(
            (error.http_status(), error.api_error_code(), error.api_error_subcode(), error.api_error_type()),
            (status, code, subcode, kind),
            error.api_error_message(),
        )
        self.assertRegex(error.api_error_message(), message)
        self.assertIs(error.api_transient_error(), False)
