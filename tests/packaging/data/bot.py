"""The least that a bot has to do: it answers the challenge, and takes what Meta signed with the secret of its app and nothing else."""

import hashlib
import hmac
import http.server
import sys
import urllib.parse

PORT, SECRET = int(sys.argv[1]), sys.argv[2].encode()


class Bot(http.server.BaseHTTPRequestHandler):
    def answer(self, status, body=b""):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        query = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)
        self.answer(200, query.get("hub.challenge", [""])[0].encode())

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        expected = "sha256=" + hmac.new(SECRET, body, hashlib.sha256).hexdigest()
        self.answer(200 if hmac.compare_digest(self.headers.get("X-Hub-Signature-256", ""), expected) else 403)


http.server.ThreadingHTTPServer(("127.0.0.1", PORT), Bot).serve_forever()
