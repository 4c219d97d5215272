#!/usr/bin/env python3
"""plugins/authn: keys, passwords and tokens against the real gateway, and keys that change."""

import base64
import hashlib
import hmac
import json
import os
import shutil
import ssl
import subprocess
import threading

import harness
from client import Closed
from servers import Upstream
from tokens import KEYS, TOKENS

PLUGIN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../plugins/authn")
KEY = "a-long-and-random-key"
KEY_LINE = f"build:{hashlib.sha256(KEY.encode()).hexdigest()}:deploy"
# "secret", with the least work there is.
BCRYPT = "$2b$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW"
API_KEYS = f"apiKeys: {{keys: ['{KEY_LINE}']}}\n"
BASIC = f"basic: {{users: ['carol:{BCRYPT}:reader,ops']}}\n"


def jwt(where, more=""):
    return (f"jwt: [{{issuer: 'https://id.example', audience: shop, jwks: '{where}', "
            f"refreshLeast: 1{more}}}]\n")


def basic(name, password):
    text = base64.b64encode(f"{name}:{password}".encode()).decode()
    return [("Authorization", f"Basic {text}")]


def bearer(token):
    return [("Authorization", f"bearer {token}")]


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


SECRET = b"thirty-two bytes that are secret"


def make_token(secret=SECRET, header=None, **more):
    claims = {"iss": "https://id.example", "aud": "shop", "sub": "dave", "exp": 4102444800, **more}
    text = ".".join(base64url(json.dumps(part).encode())
                    for part in (header or {"alg": "HS256"}, claims))
    return text + "." + base64url(hmac.new(secret, text.encode(), hashlib.sha256).digest())


class KeyServer(Upstream):
    """Serves the keys named in `names`; `status` and `held` are for bad days."""

    def __init__(self, *names):
        self.names, self.status, self.body = list(names), "200 OK", None
        self.flowing = threading.Event()
        self.flowing.set()
        super().__init__(self.serve)
        self.url = f"http://127.0.0.1:{self.port}/jwks.json"

    def serve(self, connection, _):
        while True:
            self.requests.append(connection.read_request())
            self.flowing.wait()
            keys = {"keys": [KEYS[name] for name in self.names]}
            connection.answer(self.body or json.dumps(keys).encode(), self.status)

    def close(self):
        self.flowing.set()
        super().close()


class TlsKeyServer(KeyServer):
    """The same over TLS; `folder` has the files of make_authority()."""

    def __init__(self, folder, certificate, *names):
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(os.path.join(folder, f"{certificate}.pem"),
                                     os.path.join(folder, f"{certificate}.key"))
        super().__init__(*names)
        self.url = f"https://127.0.0.1:{self.port}/jwks.json"

    def serve(self, connection, _):
        connection.socket = self.context.wrap_socket(connection.socket, server_side=True)
        super().serve(connection, _)


def make_certificate(folder, name, *options):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-keyout", f"{name}.key",
                    "-out", f"{name}.pem", "-subj", f"/CN={name}", *options],
                   cwd=folder, check=True, capture_output=True)


def make_authority(folder):
    """`ca`, and what it signed: `good` for the loopback, `stray` for somebody else."""
    os.makedirs(folder, exist_ok=True)
    make_certificate(folder, "ca")
    for name, where in (("good", "IP:127.0.0.1"), ("stray", "DNS:other.example")):
        make_certificate(folder, name, "-CA", "ca.pem", "-CAkey", "ca.key", "-addext",
                         f"subjectAltName={where}", "-addext", "basicConstraints=CA:FALSE")


class Authn(harness.Case):
    def begin(self, options, env=None):
        self.lay_out(options)
        self.gateway = self.start(env)

    def lay_out(self, options):
        self.folder_of_plugin = os.path.join(self.packages.plugins, "authn")
        shutil.copytree(PLUGIN, self.folder_of_plugin, dirs_exist_ok=True)
        shutil.copy(os.path.join(harness.BUILD, "plugins/authn/authn.so"), self.folder_of_plugin)
        self.manifest = os.path.join(self.folder_of_plugin, "manifest.yaml")
        with open(self.manifest, "a", encoding="utf-8") as f:
            f.write(options)
        self.upstream = self.add(Upstream())
        self.packages.proxy("up", "/up", self.upstream.port,
                            "publicRoutes: {GET: ['/up/public/**']}\n")

    def ask(self, headers=(), path="/up/x", method="GET"):
        return self.gateway.get(path, headers, method)

    def seen(self):
        """What the target was told by the last request."""
        request = self.upstream.requests[-1]
        return request.header("x-identity"), request.header("x-ringtime-roles")

    def refused(self, answer, status, text=""):
        self.assertEqual(answer.status, status, answer)
        self.assertIn(text, answer.body.decode() + " ".join(answer.all("www-authenticate")))
        self.assertEqual(answer.header("cache-control"), "no-store")

    # --- Keys and passwords ---

    def test_keys(self):
        self.begin(API_KEYS)
        for headers in ([("X-Api-Key", KEY)], bearer(KEY)):
            self.assertEqual(self.ask(headers).status, 200)
            self.assertEqual(self.seen(), ("build", "deploy"))
            # The target has no business with the key.
            self.assertNotIn(KEY.encode(), self.upstream.requests[-1].raw)
        count = len(self.upstream.requests)
        for headers in ([], [("X-Api-Key", KEY[:-1])], [("X-Api-Key", "")], bearer("x"),
                        [("X-Api-Key", KEY), ("X-Api-Key", "other")],
                        [("Authorization", f"Bearer {KEY}"), ("Authorization", "Bearer x")]):
            answer = self.ask(headers)
            self.refused(answer, 401)
            self.assertEqual(answer.header("www-authenticate"), 'Bearer realm="ringtime"')
        self.assertEqual(len(self.upstream.requests), count)

    def test_nobody_says_himself_who_he_is(self):
        self.begin(API_KEYS + "rules: [{paths: [/up/open], allow: anyone}]\n")
        forged = [("X-Identity", "admin"), ("X-Ringtime-Roles", "admin"), ("x-IDENTITY", "root")]
        for path in ("/up/open", "/up/public/x"):
            self.assertEqual(self.ask(forged, path).status, 200)
            self.assertEqual(self.seen(), (None, None), path)
        self.assertEqual(self.ask([*forged, ("X-Api-Key", KEY)]).status, 200)
        self.assertEqual(self.seen(), ("build", "deploy"))
        self.refused(self.ask(forged), 401)

    def test_passwords(self):
        self.begin(BASIC + "realm: shop\n")
        for _ in range(2):  # Checked; then known.
            self.assertEqual(self.ask(basic("carol", "secret")).status, 200)
            self.assertEqual(self.seen(), ("carol", "reader,ops"))
            self.assertIsNone(self.upstream.requests[-1].header("authorization"))
            for name, password in (("carol", "Secret"), ("carol", ""), ("mallory", "secret"),
                                   ("", ""), ("carol", "secret\0x"), ("carol", "s" * 73)):
                answer = self.ask(basic(name, password))
                self.refused(answer, 401)
                self.assertEqual(answer.header("www-authenticate"),
                                 'Basic realm="shop", charset="UTF-8"')
        self.assertEqual(len(self.upstream.requests), 2)

    def test_many_passwords_at_once(self):
        self.begin(BASIC)
        with self.gateway.connect() as left:  # The client that does not wait for its answer.
            left.request("GET", "/up/x", basic("carol", "impatient"))
        answers = []

        def ask(number):
            answers.append((number, self.ask(basic("carol", "secret" if number % 2 else
                                                   f"wrong {number}")).status))
        threads = [threading.Thread(target=ask, args=(number,)) for number in range(40)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(len(answers), 40)
        for number, status in answers:
            self.assertEqual(status, 200 if number % 2 else 401)

    def test_who_may_do_what(self):
        self.begin(API_KEYS + BASIC + "rules:\n  - {paths: [/up/open], allow: anyone}\n"
                   "  - {paths: [/up/shut], allow: nobody}\n"
                   "  - {paths: [/up/ops], roles: [ops, admin]}\n")
        self.assertEqual(self.ask(path="/up/open/x").status, 200)
        # Who shows something wrong is told so, even where nobody asks.
        self.refused(self.ask(bearer("x"), "/up/open/x"), 401)
        self.assertEqual(self.ask(basic("carol", "secret"), "/up/ops").status, 200)
        self.refused(self.ask(bearer(KEY), "/up/ops"), 403, "roles")
        self.refused(self.ask(bearer(KEY), "/up/ops%2Fx"), 403)
        self.refused(self.ask(bearer(KEY), "/up/shut"), 403)
        answer = self.ask(path="/up/ops")
        self.refused(answer, 401)
        self.assertEqual(answer.all("www-authenticate"),
                         ['Bearer realm="ringtime"', 'Basic realm="ringtime", charset="UTF-8"'])

    def test_other_schemes_are_the_targets(self):
        self.begin(API_KEYS + "rules: [{allow: anyone}]\n")
        self.assertEqual(self.ask(basic("some", "body")).status, 200)
        self.assertTrue(self.upstream.requests[-1].header("authorization").startswith("Basic "))

    def test_files_beside_the_manifest(self):
        self.lay_out("apiKeys: {file: keys}\nbasic: {file: users}\nforwardCredentials: true\n")
        self.packages.write("plugins/authn/keys", f"# who\n{KEY_LINE}\n")
        self.packages.write("plugins/authn/users", f"carol:{BCRYPT}\n")
        self.gateway = self.start()
        self.assertEqual(self.ask([("X-Api-Key", KEY)]).status, 200)
        self.assertEqual(self.upstream.requests[-1].header("x-api-key"), KEY)
        self.assertEqual(self.ask(basic("carol", "secret")).status, 200)
        self.assertEqual(self.seen(), ("carol", None))

    def test_configurations_that_cannot_be_meant(self):
        self.lay_out("")
        with open(self.manifest, encoding="utf-8") as f:
            base = f.read()
        for options, text in (("", "nobody could come in"),
                              (API_KEYS + "rules: [{path: [/a]}]", "rules[0].path is not known"),
                              ("basic: {users: ['a:plain']}", "fit for passwords"),
                              (jwt("ftp://id.example/jwks"), "neither a file nor an http://"),
                              (jwt("https://a:b@id.example/"), "holds no name or password"),
                              (jwt("https://id.example:x/"), "is no address"),
                              (jwt("http://id.example/", ", ca: ca.pem"), "ca means nothing"),
                              (jwt("https://id.example/", ", ca: ca.pem"), "cannot be read"),
                              (jwt("https://id.example/", ", ca: manifest.yaml"),
                               "holds no certificates"),
                              (jwt("missing.json"), "cannot be read")):
            with open(self.manifest, "w", encoding="utf-8") as f:
                f.write(base + options + "\n")
            self.refuse_start(text)

    def test_errors_in_the_form_of_the_gateway(self):
        self.begin(API_KEYS + "rules: [{paths: [/up/shut], allow: nobody}]\n")
        json_taker = [harness.TAKES_JSON]
        answer = self.ask(json_taker)
        self.assertEqual(self.is_json_error(answer, 401, "unauthorized"), "Say who you are.")
        self.assertEqual(answer.header("www-authenticate"), 'Bearer realm="ringtime"')
        self.is_json_error(self.ask([*json_taker, *bearer(KEY)], "/up/shut"), 403, "forbidden")
        # The API speaks JSON only, whoever refuses.
        self.is_json_error(self.ask(path="/api/plugins"), 401, "unauthorized")
        self.assertEqual(self.ask(path="/apis").header("content-type"),
                         "text/plain; charset=utf-8")

    # --- Tokens ---

    def test_tokens_of_a_file(self):
        self.lay_out(jwt("keys.json"))
        secret = {"kty": "oct", "k": base64url(SECRET)}
        self.packages.write("plugins/authn/keys.json",
                            json.dumps({"keys": [secret, *KEYS.values()]}))
        self.gateway = self.start()
        for name, identity in (("old", ("alice", "editor")), ("new", ("alice", "editor")),
                               ("rsa", ("bob%20%C3%A9", "admin,a%2Cb"))):
            self.assertEqual(self.ask(bearer(TOKENS[name])).status, 200, name)
            self.assertEqual(self.seen(), identity)
        self.assertEqual(self.ask(bearer(make_token())).status, 200)
        self.assertEqual(self.seen(), ("dave", None))
        count = len(self.upstream.requests)
        public = json.dumps(KEYS["rsa"]).encode()
        for token, text in ((make_token(exp=1), "expired"), (make_token(aud="other"), "audience"),
                            (make_token(iss="me"), "issuer"), (make_token(b"x" * 32), "signature"),
                            (make_token(nbf=4102444800), "not valid yet"),
                            (make_token(public, {"alg": "HS256", "kid": "rsa"}), "unknown key"),
                            (make_token(header={"alg": "none"}), "algorithm"),
                            (make_token(header={"alg": "HS256", "crit": ["x"]}), "critical"),
                            (TOKENS["old"][:-4] + "AAAA", "signature"),
                            (make_token(sub="x" * 9000), "too large"), ("a.b", "malformed")):
            answer = self.ask(bearer(token))
            self.refused(answer, 401, text)
            self.assertIn('error="invalid_token"', answer.header("www-authenticate"))
        self.assertEqual(len(self.upstream.requests), count)

    def test_keys_that_change(self):
        keys = self.add(KeyServer("old"))
        self.begin(jwt(keys.url, ", refresh: 604800"))
        self.assertEqual(self.ask(bearer(TOKENS["old"])).status, 200)
        fetches = len(keys.requests)
        for _ in range(5):
            self.assertEqual(self.ask(bearer(TOKENS["old"])).status, 200)
        self.assertEqual(len(keys.requests), fetches)
        # The issuer signs with a new key: its name is unknown, so the keys are fetched again.
        keys.names = ["old", "new"]
        harness.wait_until(lambda: self.ask(bearer(TOKENS["new"])).status == 200, "the new key")
        self.assertEqual(self.ask(bearer(TOKENS["old"])).status, 200)
        # Then the old one goes, and with it what is remembered of its tokens.
        keys.names = ["new", "rsa"]
        harness.wait_until(lambda: self.ask(bearer(TOKENS["rsa"])).status == 200, "the third key")
        self.refused(self.ask(bearer(TOKENS["old"])), 401, "unknown key")
        self.assertEqual(self.ask(bearer(TOKENS["new"])).status, 200)

    def test_made_up_key_names_order_no_fetches(self):
        keys = self.add(KeyServer("old"))
        self.begin(jwt(keys.url).replace("refreshLeast: 1", "refreshLeast: 3600"))
        self.assertEqual(self.ask(bearer(TOKENS["old"])).status, 200)
        fetches = len(keys.requests)
        for _ in range(20):
            self.refused(self.ask(bearer(TOKENS["new"])), 401, "unknown key")
        self.assertEqual(len(keys.requests), fetches)

    def test_an_issuer_that_is_down(self):
        keys = self.add(KeyServer("old"))
        keys.status = "500 Internal Server Error"
        self.begin(jwt(keys.url, ", refresh: 1"))
        # Nobody can tell whether it is good.
        self.refused(self.ask(bearer(TOKENS["old"])), 503, "cannot be had")
        self.refused(self.ask(bearer("a.b.c")), 401)
        keys.status = "200 OK"
        harness.wait_until(lambda: self.ask(bearer(TOKENS["old"])).status == 200, "keys at last")
        # Down again, in every way; the keys there are go on.
        for body in (b'{"keys":[]}', b"x" * 300_000):
            keys.body = body
            fetches = len(keys.requests)
            # The second begins when the first has been looked at.
            harness.wait_until(lambda: len(keys.requests) > fetches + 1, "two more fetches")
            self.assertEqual(self.ask(bearer(TOKENS["old"])).status, 200)
        keys.close()
        self.assertEqual(self.ask(bearer(TOKENS["old"])).status, 200)
        self.refused(self.ask(bearer(TOKENS["new"])), 401, "unknown key")
        self.assertIn("those there are go on", self.gateway.log())

    def test_keys_over_tls(self):
        folder = os.path.join(self.packages.plugins, "authn")
        make_authority(folder)
        keys = self.add(TlsKeyServer(folder, "good", "old"))
        keys.status = "302 Found"
        self.begin(jwt(keys.url, ", ca: ca.pem, refresh: 1"))
        self.refused(self.ask(bearer(TOKENS["old"])), 503, "cannot be had")
        self.assertIn("status 302", self.gateway.log())
        keys.status = "200 OK"
        harness.wait_until(lambda: self.ask(bearer(TOKENS["old"])).status == 200, "keys at last")
        keys.names = ["new"]
        harness.wait_until(lambda: self.ask(bearer(TOKENS["new"])).status == 200, "the new key")
        self.refused(self.ask(bearer(TOKENS["old"])), 401, "unknown key")
        keys.body = b"x" * 300_000
        harness.wait_until(lambda: "the answer is too large" in self.gateway.log(),
                           lambda: self.gateway.log())
        self.assertEqual(self.ask(bearer(TOKENS["new"])).status, 200)

    def test_a_key_server_that_keeps_silent_does_not_hold_the_end(self):
        silent = self.add(Upstream(lambda connection, _: connection.wait_closed()))
        # Less than a fetch takes by itself: the gateway would not wait for that, and say so.
        config = self.packages.write("ringtime.yaml", "timeouts: {pluginShutdown: 1s}\n")
        self.begin(jwt(f"https://127.0.0.1:{silent.port}/jwks.json"), {"RUNTIME_CONFIG": config})
        harness.wait_until(lambda: silent.connections, "a fetch")
        self.assertEqual(self.gateway.stop(), 0)
        self.assertNotIn("did not return", self.gateway.log())

    def test_certificates_that_are_not_to_be_believed(self):
        folder = os.path.join(self.packages.plugins, "authn")
        make_authority(folder)
        make_certificate(folder, "lone", "-addext", "subjectAltName=IP:127.0.0.1")
        problems = {}
        for name, ca in (("good", ""), ("stray", ", ca: ca.pem"), ("lone", ", ca: ca.pem"),
                         ("good", ", ca: lone.pem")):
            keys = self.add(TlsKeyServer(folder, name, "old"))
            problems[keys] = f"{{issuer: '{keys.port}', audience: x, jwks: '{keys.url}'{ca}}}"
        # This one does not speak TLS at all.
        plain = self.add(Upstream(lambda connection, _: connection.answer(b"{}")))
        plain.url = f"https://127.0.0.1:{plain.port}/jwks.json"
        problems[plain] = f"{{issuer: x, audience: x, jwks: '{plain.url}', ca: ca.pem}}"
        self.begin("jwt: [" + ", ".join(problems.values()) + "]\n")
        for keys in problems:
            harness.wait_until(lambda: f"no keys from {keys.url}" in self.gateway.log(),
                               lambda: self.gateway.log())
            self.assertEqual(keys.requests, [])
        self.refused(self.ask(bearer(TOKENS["old"])), 401, "issuer")

    def test_requests_wait_for_keys_that_come_late(self):
        keys = self.add(KeyServer("old"))
        keys.flowing.clear()
        self.begin(jwt(keys.url))
        harness.wait_until(lambda: keys.requests, "the first fetch")
        clients = [self.gateway.connect() for _ in range(8)]
        for client in clients:
            self.addCleanup(client.close)
            client.request("GET", "/up/x", bearer(TOKENS["old"]))
        clients[0].close()  # One does not wait.
        keys.flowing.set()
        for client in clients[1:]:
            self.assertEqual(client.read_response().status, 200)
        # One fetch for all of them, or a second one if the first was given up meanwhile.
        self.assertLess(len(keys.requests), 3)

    def test_a_reload_while_keys_are_on_their_way(self):
        keys = self.add(KeyServer("old"))
        keys.flowing.clear()
        self.begin(jwt(keys.url), {"RUNTIME_DRAIN": "1s"})
        harness.wait_until(lambda: keys.requests, "the first fetch")
        with self.gateway.connect() as client:
            client.request("GET", "/up/x", bearer(TOKENS["old"]))
            with open(self.manifest, "a", encoding="utf-8") as f:
                f.write("realm: new\n")
            self.gateway.signal(harness.signal.SIGHUP)
            harness.wait_until(lambda: len(keys.requests) >= 2, "the new one fetches as well")
            keys.flowing.set()
            # The one who waited is answered, or cut with the generation he was in.
            try:
                self.assertIn(client.read_response().status, (200, 500, 503))
            except Closed:
                pass
        harness.wait_until(lambda: "generation 1 is gone" in self.gateway.log(),
                           lambda: self.gateway.log())
        self.assertEqual(self.ask(bearer(TOKENS["old"])).status, 200)
        self.assertIn('realm="new"', self.ask().header("www-authenticate"))

    def test_it_counts(self):
        self.lay_out(API_KEYS + BASIC)
        folder = os.path.join(self.packages.plugins, "metrics")
        shutil.copytree(os.path.join(PLUGIN, "../metrics"), folder)
        shutil.copy(os.path.join(harness.BUILD, "plugins/metrics/metrics.so"), folder)
        with open(os.path.join(self.folder_of_plugin, "manifest.yaml"), "a",
                  encoding="utf-8") as f:
            f.write("rules: [{paths: [/metrics], allow: anyone}]\n")
        self.gateway = self.start()
        self.ask(bearer(KEY))
        self.ask()
        page = self.ask(path="/metrics").body.decode()
        for line in ('authn_requests_total{outcome="key"} 1',
                     'authn_requests_total{outcome="unauthorized"} 1'):
            self.assertIn(line, page.replace(",", ", ").replace("plugin=\"authn\", ", ""))


if __name__ == "__main__":
    harness.main()
