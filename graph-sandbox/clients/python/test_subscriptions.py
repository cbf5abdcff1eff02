"""Webhooks of an app and subscriptions of a page, with Meta's SDK."""

import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, HTTPServer

from facebook_business.adobjects.application import Application
from facebook_business.adobjects.page import Page

from sandbox import APP, APP_TOKEN, INBOX_APP, PAGE_A, TOKEN_A, SandboxTest, control, ledger

VERIFY_TOKEN = "a-verify-token"


class PageSubscriptions(SandboxTest):
    def setUp(self):
        super().setUp()
        self.page = Page(PAGE_A, api=self.api(TOKEN_A))
        self.as_app = Page(PAGE_A, api=self.api(APP_TOKEN))
        self.as_app.delete_subscribed_apps()

    def rows(self):
        apps = self.page.get_subscribed_apps(fields=["id", "name", "subscribed_fields"])
        return {app["id"]: (app["name"], app["subscribed_fields"]) for app in apps}

    def test_subscribe_read_back_and_unsubscribe(self):
        inbox = {INBOX_APP: ("Page Inbox", ["messages"])}
        self.assertEqual(self.rows(), inbox)
        self.page.create_subscribed_app(params={"subscribed_fields": ["messages", "standby"]})
        self.assertEqual(self.rows(), inbox | {APP: ("Acme Messaging", ["messages", "standby"])})
        self.as_app.delete_subscribed_apps()
        self.assertEqual(self.rows(), inbox)

    def test_unsubscribing_takes_the_app_token(self):
        self.page.create_subscribed_app(params={"subscribed_fields": ["messages"]})
        error = self.refused(self.page.delete_subscribed_apps)
        self.assert_error(error, 400, 15, None, "OAuthException", "must be called with an app access_token")
        self.assertIn(APP, self.rows())

    def test_a_field_the_sdk_and_meta_do_not_know(self):
        error = self.refused(self.page.create_subscribed_app, params={"subscribed_fields": ["messages", "gossip"]})
        self.assert_error(error, 400, 100, None, "OAuthException", r"subscribed_fields\[1\] must be one of .*gossip")
        self.assertNotIn(APP, self.rows())


class AppWebhooks(SandboxTest):
    def setUp(self):
        super().setUp()
        self.app = Application(APP, api=self.api(APP_TOKEN))
        self.addCleanup(self.app.delete_subscriptions, params={"object": "page"})

    def subscribe(self, verify_token):
        return self.app.create_subscription(
            params={
                "object": "page",
                "callback_url": "https://hooks.example.com/meta",
                "fields": ["messages", "messaging_postbacks"],
                "verify_token": verify_token,
            }
        )

    def test_a_callback_that_answers_the_challenge_is_subscribed(self):
        with Callback():
            self.subscribe(VERIFY_TOKEN)
        (row,) = self.app.get_subscriptions()
        self.assertEqual(
            (row["object"], row["callback_url"], row["active"]), ("page", "https://hooks.example.com/meta", True)
        )
        self.assertEqual([field["name"] for field in row["fields"]], ["messages", "messaging_postbacks"])
        self.app.delete_subscriptions(params={"object": "page"})
        self.assertEqual(list(self.app.get_subscriptions()), [])

    def test_a_callback_that_refuses_is_not(self):
        with Callback():
            error = self.refused(self.subscribe, "another-verify-token")
        self.assert_error(error, 400, 2200, None, "OAuthException", "Callback verification failed.*403")
        self.assertEqual(list(self.app.get_subscriptions()), [])
        self.assertEqual(ledger()[-2]["code"], 2200)


class Callback:
    """A webhook on loopback that stands in for hooks.example.com."""

    def __enter__(self):
        self.server = HTTPServer(("127.0.0.1", 0), Challenged)
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()
        control("PUT", "resolve", {"hooks.example.com": f"http://127.0.0.1:{self.server.server_port}"})

    def __exit__(self, *_):
        control("PUT", "resolve", {})
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


class Challenged(BaseHTTPRequestHandler):
    def do_GET(self):
        query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(self.path).query))
        known = query.get("hub.mode") == "subscribe" and query.get("hub.verify_token") == VERIFY_TOKEN
        body = query.get("hub.challenge", "").encode() if known else b""
        self.send_response(200 if known else 403)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass
