"""Conversations and who answers them, with Meta's SDK."""

from facebook_business.adobjects.page import Page
from facebook_business.adobjects.unifiedthread import UnifiedThread

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

    def test_conversations_are_read_with_their_messages(self):
        psid = self.people[1]
        sent = self.page.create_message(params={"recipient": {"id": psid}, "message": {"text": "hello 1"}})
        fields = ["id", "participants", "messages.limit(5){id,message,from,to,created_time}"]
        (row,) = self.page.get_conversations(fields=fields, params={"user_id": psid})
        said = [(message["from"]["id"], message["message"]) for message in row["messages"]["data"]]
        self.assertEqual(said, [(PAGE_A, "hello 1"), (psid, "hi 1")])
        thread = UnifiedThread(row["id"], api=self.api(TOKEN_A))
        params = {"limit": 1, "date_format": "U"}
        messages = list(thread.get_messages(fields=["message", "created_time"], params=params))
        self.assertEqual([message["message"] for message in messages], ["hello 1", "hi 1"])
        self.assertIsInstance(messages[0]["created_time"], int)
        self.assertEqual(messages[0]["id"], sent["message_id"])
        self.assertEqual(thread.api_get(fields=["snippet"])["snippet"], "hello 1")

    def test_attachments_and_personas(self):
        image = {"type": "image", "payload": {"url": "https://cdn.example.com/image.jpg", "is_reusable": True}}
        saved = self.page.create_message_attachment(params={"message": {"attachment": image}})
        persona = self.page.create_persona(
            params={"name": "Ava A.", "profile_picture_url": "https://cdn.example.com/ava.jpg"}
        )
        image = {"type": "image", "payload": {"attachment_id": saved["attachment_id"]}}
        message = {"recipient": {"id": self.people[2]}, "message": {"attachment": image}, "persona_id": persona["id"]}
        self.page.create_message(params=message)
        (listed,) = self.page.get_personas(fields=["name"])
        self.assertEqual((listed["id"], listed["name"]), (persona["id"], "Ava A."))
        listed.api_delete()
        error = self.refused(self.page.create_message, params=message)
        self.assert_error(error, 400, 100, None, "OAuthException", "persona_id")
        self.assertEqual(len(self.page.get_personas()), 0)

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
