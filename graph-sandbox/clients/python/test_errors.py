"""Refusals, as the errors of Meta's SDK tell them."""

from facebook_business.adobjects.application import Application
from facebook_business.adobjects.page import Page
from facebook_business.adobjects.user import User

from sandbox import (APP, APP_TOKEN, OTHER_SECRET, PAGE_A, PAGE_B, SECRET, TOKEN_A, TOKEN_A_BARE, TOKEN_A_EXPIRED,
                     TOKEN_A_PASSWORD, SandboxTest, control, fault)


class Errors(SandboxTest):
    def read(self, token, page=PAGE_A, fields=("name",), secret=SECRET):
        return self.refused(Page(page, api=self.api(token, secret)).api_get, fields=list(fields))

    def test_a_token_that_expired(self):
        error = self.read(TOKEN_A_EXPIRED)
        self.assert_error(error, 400, 190, 463, "OAuthException", "Session has expired on .* The current time is")
        self.assertIn("invalid_token", error.http_headers()["WWW-Authenticate"])
        self.assertTrue(error.body()["error"]["fbtrace_id"])

    def test_a_token_whose_person_changed_the_password(self):
        error = self.read(TOKEN_A_PASSWORD)
        self.assert_error(error, 400, 190, 460, "OAuthException", "changed their password")

    def test_a_token_that_never_was(self):
        error = self.read("no-token-at-all")
        self.assert_error(error, 400, 190, None, "OAuthException", "Cannot parse access token")

    def test_a_field_that_does_not_exist(self):
        error = self.read(TOKEN_A, fields=["name", "nonsense"])
        text = r"Tried accessing nonexisting field \(nonsense\) on node type \(Page\)"
        self.assert_error(error, 400, 100, None, "OAuthException", text)

    def test_objects_that_are_missing_or_hidden(self):
        for page in ("2299999999999999", PAGE_B):
            error = self.read(TOKEN_A, page=page)
            self.assert_error(error, 400, 100, 33, "GraphMethodException", f"Object with ID '{page}' does not exist")

    def test_a_scope_that_is_missing(self):
        page = Page(PAGE_A, api=self.api(TOKEN_A_BARE))
        error = self.refused(page.create_subscribed_app, params={"subscribed_fields": ["feed"]})
        self.assert_error(error, 403, 200, None, "OAuthException", "pages_manage_metadata")

    def test_tokens_of_the_wrong_kind(self):
        app = self.refused(Application(APP, api=self.api(TOKEN_A)).get_subscriptions)
        self.assert_error(app, 400, 15, None, "OAuthException", "must be called with an app access_token")
        me = self.refused(User("me", api=self.api(APP_TOKEN)).api_get)
        self.assert_error(me, 400, 2500, None, "OAuthException", "active access token must be used")

    def test_proofs_that_are_absent_or_of_another_secret(self):
        absent = self.read(TOKEN_A, secret=None)
        self.assert_error(absent, 400, 100, None, "GraphMethodException", "require an appsecret_proof argument")
        wrong = self.read(TOKEN_A, secret=OTHER_SECRET)
        self.assert_error(wrong, 400, 100, None, "GraphMethodException", "Invalid appsecret_proof provided")

    def test_an_app_that_is_blocked(self):
        control("POST", f"apps/{APP}", {"blocked": "blocked"})
        self.addCleanup(control, "POST", f"apps/{APP}", {"blocked": "none"})
        self.assert_error(self.read(TOKEN_A), 400, 200, None, "OAuthException", "API access blocked")

    def test_an_error_that_passes(self):
        error = {"code": 2, "message": "Service temporarily unavailable", "is_transient": True}
        fault({"page": PAGE_A}, {"graph_error": error})
        error = self.read(TOKEN_A)
        self.assertEqual((error.api_error_code(), error.api_transient_error()), (2, True))

    def test_an_answer_that_is_no_graph_error(self):
        fault({"page": PAGE_A}, {"status": {"code": 503, "body": "Service Unavailable"}})
        error = self.read(TOKEN_A)
        found = (error.http_status(), error.api_error_code(), error.body())
        self.assertEqual(found, (503, None, "Service Unavailable"))
