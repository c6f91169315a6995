"""Requests that no honest client sends, made of the published schema: seeded, without end.

Each strays in one to three places: method, path, query, headers, body. Bytes go out as they are, so
that the web server and all that stands before the first middleware are tried as well.
"""

import json
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "BREW")
NUMBERS: Final = ("0", "-1", "1", "1.5", "1e1", "1e999", "NaN", "-0", "٣", "9" * 19, "9" * 400)
TEXTS: Final = (
    *("", " ", "\0", "a\0b", "\ud800", "é", "\U0001f600", "BTCUSDT", "btcusdt", "x" * 5000),
    *("'; DROP TABLE trading_order; --", "../../etc/passwd", "{{7*7}}", "%s%n", "null", "[]"),
    *("2026-13-45", "9999-12-31T23:59:59Z", "0001-01-01T00:00:00+23:59", "true"),
    *("cD1hYmM=", "cD0=", "cD0xLjU=", "cD0lMDA=", "cD1OYU4=", "bz0tMQ==", "cj0xJnA9MQ=="),
    *NUMBERS,
)
VALUES: Final[Sequence[Any]] = (
    *(None, True, False, 0, -1, 10**30, 1.5, [], {}, [[]], {"a": {"b": 1}}, ["BTCUSDT"] * 60),
    *TEXTS,
)
RAW_BODIES: Final = (
    *(b"", b"{", b"\xff\xfe", b"\0", b"[" * 100_000, b'{"a":' * 20_000, b"NaN", b"-Infinity"),
    *(b'{"size": 1e999999999}', b'{"size": 1E+400}', b'{"symbol": "\\ud800"}', b"\xef\xbb\xbf{}"),
    *(b'{"symbol": "BTCUSDT", "symbol": 1}', b"null", b'"text"', b"[{}]", b"1" * 5000),
)
HEADERS: Final[Sequence[tuple[str, str]]] = (
    *(("Content-Type", f"text/plain; charset={c}") for c in ("base64", "rot13", "hex", "zlib")),
    *(("Content-Type", f"application/json; charset={c}") for c in ("undefined", "utf-16", "\xff")),
    *(("Content-Type", t) for t in ("", ";", "multipart/form-data", "application/xml", "x" * 900)),
    ("Content-Type", "multipart/form-data; boundary=" + "b" * 300),
    ("Content-Type", "application/x-www-form-urlencoded"),
    *(("Accept", t) for t in ("", "*", "text/html", "image/png;q=x", ",,,", "a/b;" * 200)),
    *(("Authorization", t) for t in ("", "Bearer", "bearer  ", "Basic eDp4", "Bearer a.b.c")),
    ("Authorization", "Bearer \xff\xfe"),
    *(("Host", h) for h in ("", "evil.example", "127.0.0.1:99999", "[::1", "a" * 300)),
    *(("X-Forwarded-For", v) for v in ("", "1.2.3.4, x", ",", "::" * 300)),
    *(("Cookie", v) for v in ("sessionid=\x01", "csrftoken=" + "x" * 3000, "=;=;=")),
    *(("Range", "bytes=9-1"), ("If-Modified-Since", "x"), ("Expect", "200-maybe")),
    *(("Accept-Language", "xx-\xff"), ("X-Request-Id", "\x7f" * 200), ("Connection", "upgrade")),
)


@dataclass(frozen=True, slots=True)
class Operation:
    """A call of the schema: its template, the names of its query and of its body's fields."""

    method: str
    path: str
    query: Sequence[str]
    fields: Sequence[str]


#: What is served beside the calls of the schema.
PAGES: Final = ("/schema", "/docs", "/admin/", "/admin/login/", "/static/x", "/", "/nowhere")


def operations(schema: Mapping[str, Any]) -> list[Operation]:
    """Return every call that an OpenAPI document describes, and what is served beside them."""
    found = [Operation("GET", path, (), ()) for path in PAGES]
    for path, methods in schema["paths"].items():
        for method, described in methods.items():
            names = [p["name"] for p in described.get("parameters", []) if p["in"] == "query"]
            fields = body_fields(schema, described)
            found.append(Operation(method.upper(), path, names, fields))
    return found


def body_fields(schema: Mapping[str, Any], described: Mapping[str, Any]) -> list[str]:
    content = described.get("requestBody", {}).get("content", {}).get("application/json", {})
    name = content.get("schema", {}).get("$ref", "").rpartition("/")[2]
    return list(schema["components"]["schemas"].get(name, {}).get("properties", {}))


def odd_requests(
    calls: Sequence[Operation], tokens: Sequence[str], *, seed: int
) -> Iterator[tuple[str, bytes]]:
    """Yield a request's first line, for people, and its bytes; every call in turn."""
    source = random.Random(seed)
    while True:
        for call in calls:
            yield odd_request(call, source, tokens)


def odd_request(call: Operation, source: random.Random, tokens: Sequence[str]) -> tuple[str, bytes]:
    """Return one request that strays somewhere."""
    strays = source.sample(("method", "path", "query", "header", "body"), source.randint(1, 3))
    method = source.choice(METHODS) if "method" in strays else call.method
    target = odd_path(call, source, wild="path" in strays)
    if "query" in strays:
        target += "?" + odd_query(call, source)
    body = odd_body(call, source) if "body" in strays else b"{}" if call.fields else b""
    headers = {"Host": "127.0.0.1", "Content-Type": "application/json"}
    headers["Authorization"] = f"Bearer {source.choice(tokens)}"
    if "header" in strays:
        headers |= dict(source.sample(HEADERS, source.randint(1, 2)))
    sent, framing = framed(body, source)
    lines = [f"{method} {target} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in {**headers, **framing}.items()]
    head = "\r\n".join([*lines, "Connection: close", "", ""])
    return head.split("\r\n\r\n")[0], head.encode("latin-1", errors="replace") + sent


def odd_path(call: Operation, source: random.Random, *, wild: bool) -> str:
    """Return the path with each parameter filled in, and now and then spoilt as a whole."""
    parts = [
        encoded(source.choice(TEXTS if wild else ("1", "2", "me", "BTCUSDT")))
        if part.startswith("{")
        else part
        for part in call.path.split("/")
    ]
    path = "/".join(parts)
    spoilt = (path + "/", path + "//", path.upper(), "/" + path, path + "%00", path + ";x", "*")
    return source.choice(spoilt) if wild and source.random() < 0.3 else path


def odd_query(call: Operation, source: random.Random) -> str:
    if source.random() < 0.05:
        return "&".join(f"a{n}=1" for n in range(1200))
    names = [*call.query, "cursor", "page_size", "limit", "format", "version", "\0", "x[]"]
    chosen = [source.choice(names) for _ in range(source.randint(1, 4))]
    return "&".join(f"{encoded(name)}={encoded(source.choice(TEXTS))}" for name in chosen)


def encoded(text: str) -> str:
    """Return text as a URL carries it; a lone surrogate goes out as bytes that are no UTF-8."""
    return quote(text.encode("utf-8", errors="surrogatepass"), safe="")


def odd_body(call: Operation, source: random.Random) -> bytes:
    if not call.fields or source.random() < 0.25:
        return source.choice(RAW_BODIES)
    usual = {"symbol": "BTCUSDT", "side": "buy", "size": "0.001", "api_key": "beginner-key"}
    body = {name: usual[name] for name in call.fields if name in usual}
    for name in source.sample(list(call.fields), min(len(call.fields), source.randint(1, 2))):
        body[name] = source.choice(VALUES)
    if "orders" in body:
        body["orders"] = [{**usual, "size": source.choice(VALUES)}, source.choice(VALUES)]
    return json.dumps(body).encode()


def framed(body: bytes, source: random.Random) -> tuple[bytes, dict[str, str]]:
    """Return what is sent as the body, and the headers that tell its length, rightly or not."""
    kind = source.random()
    if kind < 0.08:
        return b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body), {"Transfer-Encoding": "chunked"}
    if kind < 0.1:
        return b"zz\r\n" + body, {"Transfer-Encoding": "chunked"}
    if kind < 0.12:
        return body, {"Content-Length": source.choice(("-1", "x", "1" * 30, ""))}
    return body, {"Content-Length": str(len(body))}
