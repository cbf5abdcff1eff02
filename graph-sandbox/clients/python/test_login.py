"""From a login to page tokens and back, with Meta's SDK."""

from facebook_business.adobjects.page import Page
from facebook_business.adobjects.user import User

from sandbox import APP, APP_TOKEN, NEWCOMER, PAGE_A, PAGE_B, SECRET, SandboxTest, control

REDIRECT = "https://acme.example.com/login"
SCOPES = ["pages_show_list", "pages_manage_metadata"]


class Login(SandboxTest):
    def exchange(self, **params):
        """The token that Graph gives for a code or another token."""
        params |= {"client_id": APP, "client_secret": SECRET}
        return self.api(APP_TOKEN).call("GET", ("oauth", "access_token"), params=params).json()

    def login(self):
        wish = {"app": APP, "scopes": SCOPES, "pages": [PAGE_A, PAGE_B], "redirect_uri": REDIRECT}
        code = control("POST", f"people/{NEWCOMER}", {"authorize": wish})["code"]
        short = self.exchange(redirect_uri=REDIRECT, code=code)
        again = self.refused(self.exchange, redirect_uri=REDIRECT, code=code)
        self.assert_error(again, 400, 100, 36009, "OAuthException", "has been used")
        return short

    def test_from_the_code_to_page_tokens_until_the_person_removes_the_app(self):
        short = self.login()
        long = self.exchange(grant_type="fb_exchange_token", fb_exchange_token=short["access_token"])
        self.assertEqual((short["token_type"], long["token_type"]), ("bearer", "bearer"))
        self.assertLess(short["expires_in"], 24 * 3600)
        self.assertGreater(long["expires_in"], 50 * 24 * 3600)

        me = User("me", api=self.api(long["access_token"]))
        self.assertEqual(me.api_get(fields=["name"]).export_all_data(), {"id": NEWCOMER, "name": "Kim Newcomer"})
        granted = {row["permission"]: row["status"] for row in me.get_permissions()}
        self.assertEqual(granted, {scope: "granted" for scope in SCOPES})
        tokens = {page["id"]: page["access_token"] for page in me.get_accounts(fields=["id", "access_token"])}
        self.assertEqual(list(tokens), [PAGE_A, PAGE_B])
        page = Page(PAGE_A, api=self.api(tokens[PAGE_A]))
        self.assertEqual(page.api_get(fields=["name"])["name"], "Acme Shop")

        me.delete_permissions()
        for call in (page.api_get, me.get_accounts):
            error = self.refused(call, fields=["name"])
            self.assert_error(error, 400, 190, 458, "OAuthException", f"has not authorized application {APP}")
