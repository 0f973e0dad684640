"""What opening TLS costs: requests over TLS to one origin, closed to the proxy, opened by it, and with a secret put in."""

import costs
from authority import Authority
from ways import client_text, compare_ways, run_client, run_client_in
from world import ORIGIN4

CLIENT = client_text("tls_client.py")
PORT = 443
NAMES = {"closed": "closed.example", "opened": "opened.example", "secret": "secret.example"}
MEASURES = {"connect": "new connection and a request, µs", "ping": "a request on it, µs", "receive": "download, MiB/s"}
DIRECT = "TLS, direct, loopback"
TLS, HTTPS = 3, 4
ROOTS = "/etc/ssl/certs/glovebox.pem"


def make_authority():
    """With the certificate of the origin as "server" in its folder."""
    authority = Authority("Authority of a benchmark")
    authority.server("server", ",".join(f"DNS:{name}" for name in NAMES.values()))
    return authority


def policies(api):
    api.call("Network", "CreateSecret", name="token", value=b"a-token-of-the-benchmark")
    use = {"secret_name": "token", "header": "Authorization"}
    rules = {"closed": {"scheme": TLS}, "opened": {"scheme": HTTPS, "methods": ["GET"]}, "secret": {"scheme": HTTPS, "credential": use}}
    return {kind: {"mode": 2, "rules": [{"host": NAMES[kind], **rule}], "limits": costs.LIMITS} for kind, rule in rules.items()}


def compare(world, gloveboxd, api, authority, rounds, counts):
    trusted = authority.certificate.read_text()
    sandboxes = {kind: costs.create(api, policy) for kind, policy in policies(api).items()}

    def arguments(address, name, trust):
        return lambda what, count: ["-c", CLIENT, what, address, name, str(PORT), trust, str(count)]

    direct, name = run_client(), NAMES["closed"]
    straight = arguments(ORIGIN4, name, trusted)
    ways = {DIRECT: lambda *one: world.internet.inside(lambda: direct(straight(*one))),
            "TLS, direct, veth": lambda *one: direct(straight(*one))}
    titles = {"closed": "sandbox, closed to the proxy", "opened": "sandbox, opened for methods", "secret": "sandbox, opened for a secret"}
    for kind, title in titles.items():
        inside = run_client_in(gloveboxd, sandboxes[kind])
        make = arguments("", NAMES[kind], trusted if kind == "closed" else ROOTS)
        ways[title] = lambda *one, inside=inside, make=make: inside(make(*one))
    compare_ways("Over TLS, medians of the rounds:", ways, MEASURES, DIRECT, rounds, counts)
    for sandbox in sandboxes.values():
        costs.delete(api, sandbox)
