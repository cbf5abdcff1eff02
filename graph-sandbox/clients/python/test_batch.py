"""Batches built and taken apart by Meta's SDK."""

import hashlib
import hmac

from facebook_business.adobjects.page import Page

from sandbox import APP, APP_TOKEN, PAGE_A, PAGE_B, SECRET, TOKEN_A, TOKEN_A_EXPIRED, TOKEN_B, SandboxTest, fault


def own(token, **params):
    """Parameters of an operation with a token of its own, which then needs its own proof."""
    proof = hmac.new(SECRET.encode(), token.encode(), hashlib.sha256).hexdigest()
    return params | {"access_token": token, "appsecret_proof": proof}


class Batch(SandboxTest):
    def setUp(self):
        super().setUp()
        self.answers = {}

    def into(self, name):
        """Callbacks that file an answer under this name, as success or failure."""
        return {
            "success": lambda answer: self.answers.__setitem__(name, ("success", answer)),
            "failure": lambda answer: self.answers.__setitem__(name, ("failure", answer)),
        }

    def answer(self, name, outcome):
        found, answer = self.answers[name]
        self.assertEqual(found, outcome, answer.body())
        return answer

    def test_each_operation_calls_back_with_its_own_result(self):
        api = self.api(TOKEN_A)
        batch = api.new_batch()
        page = Page(PAGE_A, api=api)
        page.api_get(fields=["name"], batch=batch, **self.into("read"))
        page.api_get(fields=["nonsense"], batch=batch, **self.into("unknown field"))
        page.create_subscribed_app(
            params={"subscribed_fields": ["messages", "standby"]}, batch=batch, **self.into("subscribe")
        )
        Page("2299999999999999", api=api).api_get(fields=["name"], batch=batch, **self.into("missing"))
        self.assertEqual(len(batch), 4)
        self.assertIsNone(batch.execute())
        read = self.answer("read", "success")
        self.assertEqual((read.status(), read.json()), (200, {"id": PAGE_A, "name": "Acme Shop"}))
        self.assertEqual(self.answer("subscribe", "success").json(), {"success": True})
        unknown = self.answer("unknown field", "failure").error()
        self.assert_error(unknown, 400, 100, None, "OAuthException", "nonexisting field")
        missing = self.answer("missing", "failure").error()
        self.assert_error(missing, 400, 100, 33, "GraphMethodException", "does not exist")
        row = next(row for row in page.get_subscribed_apps(fields=["subscribed_fields"]) if row["id"] == APP)
        self.assertEqual(row["subscribed_fields"], ["messages", "standby"])

    def test_each_operation_may_bring_its_own_token(self):
        batch = self.api(APP_TOKEN).new_batch()
        batch.add("GET", (PAGE_A,), params=own(TOKEN_A, fields="name"), **self.into("a"))
        batch.add("GET", ("me",), params=own(TOKEN_B, fields="name"), **self.into("b"))
        batch.add("GET", (PAGE_A,), params=own(TOKEN_A_EXPIRED, fields="name"), **self.into("expired"))
        batch.add(
            "POST", (PAGE_B, "subscribed_apps"), params=own(TOKEN_B, subscribed_fields="feed"), **self.into("subscribe")
        )
        batch.add("GET", (APP,), params={"fields": "name"}, **self.into("outer token"))
        self.assertIsNone(batch.execute())
        self.assertEqual(self.answer("a", "success").json(), {"id": PAGE_A, "name": "Acme Shop"})
        self.assertEqual(self.answer("b", "success").json(), {"id": PAGE_B, "name": "Acme Support"})
        expired = self.answer("expired", "failure").error()
        self.assert_error(expired, 400, 190, 463, "OAuthException", "Session has expired")
        self.assertEqual(self.answer("subscribe", "success").json(), {"success": True})
        self.assertEqual(self.answer("outer token", "success").json(), {"id": APP, "name": "Acme Messaging"})

    def test_a_token_in_a_batch_needs_its_own_proof(self):
        batch = self.api(APP_TOKEN).new_batch()
        batch.add("GET", (PAGE_A,), params={"access_token": TOKEN_A, "fields": "name"}, **self.into("absent"))
        wrong = own(TOKEN_B) | {"access_token": TOKEN_A}
        batch.add("GET", (PAGE_A,), params=wrong, **self.into("wrong"))
        batch.execute()
        for name, text in (("absent", "require an appsecret_proof"), ("wrong", "Invalid appsecret_proof")):
            error = self.answer(name, "failure").error()
            self.assert_error(error, 400, 100, None, "GraphMethodException", text)

    def test_more_than_fifty_operations_are_refused_as_a_whole(self):
        batch = self.api(TOKEN_A).new_batch()
        for n in range(51):
            batch.add("GET", (PAGE_A,), params={"fields": "name"}, **self.into(n))
        error = self.refused(batch.execute)
        self.assertEqual((error.http_status(), error.api_error_code(), self.answers), (400, 100, {}))
        self.assertIn("50", error.api_error_message())

    def test_the_sdk_repeats_what_did_not_finish(self):
        fault({"page": PAGE_B}, "null")
        batch = self.api(APP_TOKEN).new_batch()
        batch.add("GET", (PAGE_A,), params=own(TOKEN_A, fields="name"), **self.into("a"))
        batch.add("GET", (PAGE_B,), params=own(TOKEN_B, fields="name"), **self.into("b"))
        rest = batch.execute()
        self.assertEqual((list(self.answers), len(rest)), (["a"], 1))
        self.assertIsNone(rest.execute())
        self.assertEqual(self.answer("b", "success").json(), {"id": PAGE_B, "name": "Acme Support"})
