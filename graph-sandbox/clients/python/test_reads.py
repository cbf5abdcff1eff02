"""Nodes, tokens and lists, read with Meta's SDK."""

from facebook_business.adobjects.application import Application
from facebook_business.adobjects.page import Page
from facebook_business.adobjects.user import User

from sandbox import (ALL_PAGES, APP, APP_TOKEN, PAGE_A, PAGE_B, PERSON, TOKEN_A, TOKEN_A_PASSWORD, TOKEN_B, USER_TOKEN,
                     SandboxTest, ledger)


class Reads(SandboxTest):
    def test_an_app_by_its_id_and_by_the_word_app(self):
        for name in (APP, "app"):
            app = Application(name, api=self.api(APP_TOKEN)).api_get(fields=["id", "name", "namespace"])
            self.assertEqual(app.export_all_data(), {"id": APP, "name": "Acme Messaging", "namespace": "acme"})

    def test_the_app_of_a_page_token(self):
        app = Application("app", api=self.api(TOKEN_A)).api_get(fields=["id", "name"])
        self.assertEqual(app.export_all_data(), {"id": APP, "name": "Acme Messaging"})

    def test_permissions_of_an_app(self):
        app = Application(APP, api=self.api(APP_TOKEN))
        rows = {row["permission"]: row["status"] for row in app.get_permissions()}
        self.assertEqual(rows, {"pages_messaging": "live", "business_management": "unapproved"})

    def test_a_page_with_chosen_fields(self):
        page = Page(PAGE_A, api=self.api(TOKEN_A)).api_get(fields=["name", "category", "is_published"])
        self.assertEqual(
            page.export_all_data(), {"id": PAGE_A, "name": "Acme Shop", "category": "Brand", "is_published": True}
        )
        self.assertNotIn("link", page)
        own = Page("me", api=self.api(TOKEN_B)).api_get(fields=["is_published"])
        self.assertEqual((own["id"], own["is_published"]), (PAGE_B, False))

    def test_every_call_of_the_sdk_carries_a_valid_proof(self):
        Page(PAGE_A, api=self.api(TOKEN_A)).api_get(fields=["name"])
        entry = ledger()[-1]
        self.assertEqual(
            (entry["template"], entry["proof"], entry["status"]), ("/{version}/{page-id}", "valid", 200)
        )

    def test_debug_token(self):
        api = self.api(APP_TOKEN)
        debug = lambda token: api.call("GET", ("debug_token",), params={"input_token": token}).json()["data"]
        data = debug(TOKEN_A)
        self.assertEqual(
            (data["app_id"], data["type"], data["is_valid"], data["profile_id"], data["user_id"], data["expires_at"]),
            (APP, "PAGE", True, PAGE_A, PERSON, 0),
        )
        self.assertEqual(data["scopes"], ["pages_show_list", "pages_manage_metadata", "pages_messaging"])
        ended = debug(TOKEN_A_PASSWORD)
        self.assertIs(ended["is_valid"], False)
        self.assertEqual((ended["error"]["code"], ended["error"]["subcode"]), (190, 460))


class Accounts(SandboxTest):
    FIELDS = ["id", "name", "access_token", "tasks"]

    def test_the_cursor_of_the_sdk_walks_all_pages_of_results(self):
        me = User("me", api=self.api(USER_TOKEN))
        cursor = me.get_accounts(fields=self.FIELDS, params={"limit": 3})
        self.assertEqual(len(cursor), 3)
        pages = list(cursor)
        self.assertEqual(sorted(page["id"] for page in pages), ALL_PAGES)
        self.assertEqual({page["name"] for page in pages if page["id"] == ALL_PAGES[6]}, {"Acme Café"})
        calls = [entry for entry in ledger() if entry["template"] == "/{version}/{user-id}/accounts"]
        self.assertEqual([entry["status"] for entry in calls], [200, 200, 200])

    def test_a_person_by_id_has_the_same_accounts_as_me(self):
        pages = User(PERSON, api=self.api(USER_TOKEN)).get_accounts(fields=["id"], params={"limit": 100})
        self.assertEqual(sorted(page["id"] for page in pages), ALL_PAGES)

    def test_the_tokens_of_the_list_open_their_pages(self):
        me = User("me", api=self.api(USER_TOKEN))
        for account in me.get_accounts(fields=self.FIELDS, params={"limit": 5}):
            page = Page("me", api=self.api(account["access_token"])).api_get(fields=["name"])
            self.assertEqual((page["id"], page["name"]), (account["id"], account["name"]))
            self.assertIn("MODERATE", account["tasks"])
