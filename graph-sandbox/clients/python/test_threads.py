"""Conversations and who answers them, with Meta's SDK."""

from facebook_business.adobjects.page import Page

from sandbox import APP, INBOX_APP, PAGE_A, TOKEN_A, SandboxTest, control


class Threads(SandboxTest):
    @classmethod
    def setUpClass(cls):
        control("POST", f"pages/{PAGE_A}/routing", {"default_app": APP, "take_control": [APP]})
        write = lambda n: control("POST", f"pages/{PAGE_A}/message", {"text": f"hi {n}", "name": f"Person {n}"})
        cls.people = [write(n)["psid"] for n in range(5)]

    def setUp(self):
        super().setUp()
        self.page = Page(PAGE_A, api=self.api(TOKEN_A))

    def owner(self, psid):
        (row,) = self.page.get_thread_owner(params={"recipient": psid})
        return str(row["thread_owner"]["app_id"])

    def test_the_cursor_of_the_sdk_walks_all_conversations(self):
        cursor = self.page.get_conversations(fields=["participants"], params={"platform": "MESSENGER", "limit": 2})
        self.assertEqual(len(cursor), 2)
        found = {person["id"] for row in cursor for person in row["participants"]["data"]} - {PAGE_A}
        self.assertEqual(found, set(self.people))

    def test_a_thread_is_passed_and_taken(self):
        psid = self.people[0]
        recipient = {"recipient": {"id": psid}}
        self.assertEqual(self.owner(psid), APP)
        self.page.create_pass_thread_control(params=recipient | {"target_app_id": INBOX_APP, "metadata": "for staff"})
        self.assertEqual(self.owner(psid), INBOX_APP)
        message = recipient | {"message": {"text": "still me"}, "messaging_type": "RESPONSE"}
        error = self.refused(self.page.create_message, params=message)
        self.assert_error(error, 400, 10, 2018300, "OAuthException", "another app")
        self.page.create_take_thread_control(params=recipient)
        self.assertEqual(self.owner(psid), APP)
        self.page.create_message(params=message)
