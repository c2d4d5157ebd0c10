"""Who may read: a token, as `Authorization: Bearer` or as a cookie that the page's address sets once.

Also what a hostile web page or mention could try: DNS rebinding (the Host header is checked), framing, scripts
(a Content-Security-Policy without inline script, and Trusted Types that take no markup at all).
"""

import hashlib
import hmac
import ipaddress
from http.cookies import CookieError, SimpleCookie
from typing import Final
from urllib.parse import parse_qsl, urlencode

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pipeline.errors import SettingsError
from pipeline.settings import Settings

HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "font-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'; trusted-types default"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), interest-cohort=()",
}

OPEN_PATHS: Final = ("/assets/", "/favicon.svg", "/health")
"""No data behind these: scripts and styles of the page, and whether the process answers."""

OWN_GUARD: Final = ("/v1/",)
"""The HTTP source checks its token itself."""

COOKIE_DAYS: Final = 30

UNKNOWN_READER: Final = """<!doctype html><html lang="en"><meta charset="utf-8"><title>babelwatch</title>
<h1>This page needs its token</h1>
<p>Open the address that <code>babelwatch up</code> or <code>babelwatch demo</code> printed: it ends with
<code>?token=&hellip;</code>. This browser then remembers it.</p>
<p>Started by hand? The token is what <code>BABELWATCH_API_TOKEN</code> is set to.</p></html>"""


class Guard:
    """ASGI middleware: Host check, token, security headers. It never prints or compares a token in the open."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        if settings.api_token is None or not settings.api_token.get_secret_value():
            raise SettingsError(
                "BABELWATCH_API_TOKEN is not set: set it to a long random text (`openssl rand -hex 24`), "
                "or run `babelwatch up`, which makes one"
            )
        self._app = app
        self._token = settings.api_token.get_secret_value().encode()
        # The cookie is derived, so that one that leaks is no bearer token for sending mentions. Cookies of one host
        # are shared by all its ports: the name keeps two dashboards on one machine apart.
        self._cookie = hmac.new(self._token, b"babelwatch page", hashlib.sha256).hexdigest()
        self._cookie_name = f"babelwatch_{settings.dashboard_port}"
        self._hosts = {"localhost", settings.dashboard_host.lower(), *settings.allowed_hosts()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer what is refused; pass the rest on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        refusal = self._refuse(scope)
        await (refusal or self._app)(scope, receive, send_guarded)

    def _refuse(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        if not self.host_allowed(headers.get("host", "")):
            return PlainTextResponse(
                "This host name is not known here. Add it to BABELWATCH_DASHBOARD_HOSTS (comma-separated).\n", 421
            )
        path: str = scope["path"]
        if path.startswith((*OPEN_PATHS, *OWN_GUARD)):
            return None
        query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        given = dict(query).get("token")
        if path == "/" and given is not None and scope["method"] in {"GET", "HEAD"} and self.token_right(given):
            rest = urlencode([(name, value) for name, value in query if name != "token"])
            answer = RedirectResponse("/" + (f"?{rest}" if rest else ""), 303)
            answer.set_cookie(
                self._cookie_name,
                self._cookie,
                max_age=COOKIE_DAYS * 86400,
                httponly=True,
                samesite="strict",
                secure=scope.get("scheme") == "https",
            )
            return answer
        if self._bearer_right(headers) or self._cookie_right(headers):
            return None
        if path == "/":
            return HTMLResponse(UNKNOWN_READER, 401)
        return JSONResponse(
            {
                "detail": "send the token as `Authorization: Bearer ...`, or open the page with ?token=... first",
                "code": "token",
            },
            401,
            {"WWW-Authenticate": "Bearer"},
        )

    def host_allowed(self, host: str) -> bool:
        """An address or a known name: DNS rebinding needs a name of the attacker's."""
        name = host.rsplit(":", 1)[0] if host.count(":") == 1 or ("]" in host and not host.endswith("]")) else host
        name = name.strip("[]").lower().rstrip(".")
        if name in self._hosts:
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True

    def token_right(self, given: str) -> bool:
        """Compare in constant time."""
        return hmac.compare_digest(given.encode("utf-8", "replace"), self._token)

    def _bearer_right(self, headers: Headers) -> bool:
        scheme, _, given = headers.get("authorization", "").partition(" ")
        return scheme.lower() == "bearer" and self.token_right(given.strip())

    def _cookie_right(self, headers: Headers) -> bool:
        try:
            morsel = SimpleCookie(headers.get("cookie", "")).get(self._cookie_name)
        except CookieError:
            return False
        return morsel is not None and hmac.compare_digest(
            morsel.value.encode("utf-8", "replace"), self._cookie.encode()
        )
