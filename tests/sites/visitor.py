"""An operator at a browser without scripts: keeps cookies, follows links and redirects, sends forms."""

from http.cookies import SimpleCookie
from urllib.parse import urlencode, urljoin, urlsplit

from .client import Answer, Client
from .html_page import Control, Form, HtmlPage
from .processes import NotRight

REDIRECTS = (301, 302, 303, 307, 308)


class Visitor:
    """Goes through a site; `page` is the page that is open, `answer` how it came.

    `script_name` is what a proxy in front of the site takes off each path.
    """

    def __init__(self, client: Client, script_name: str = "") -> None:
        self._client, self._script_name = client, script_name
        self._cookies: dict[str, str] = {}
        self._path = "/"
        self.answer: Answer
        self.page: HtmlPage

    def go(self, href: str) -> Answer:
        """Open a page. Raises NotRight where it is not there."""
        return self._open("GET", href)

    def follow(self, control: Control | None, what: str) -> Answer:
        """Follow a link, or press a button. Raises NotRight where there is none."""
        if control is None:
            raise NotRight(f"There is no link or button {what} on this page:\n{self.seen()}")
        if control.tag == "a":
            return self.go(control.attributes["href"])
        if control.form is None:
            raise NotRight(f"The button {what} belongs to no form:\n{self.seen()}")
        name = control.attributes.get("name")
        return self.send(control.form, **({name: control.attributes.get("value", "")} if name else {}))

    def send(self, form: Form, **values: str) -> Answer:
        """Send a form with these values in it."""
        fields = urlencode(form.filled(**values))
        href = form.attributes.get("action") or self._path
        if form.method == "GET":
            return self.go(f"{urlsplit(href).path}?{fields}")
        return self._open("POST", href, fields.encode())

    def seen(self) -> str:
        """Return what the page that is open says, and its links and buttons."""
        found = [f"[{one.label()}] {one.attributes.get('href', '')}" for one in self.page.controls]
        lines = [line.strip() for line in self.page.text.splitlines() if line.strip()]
        return "\n".join([f"> {self.answer.asked}", *lines[:60], *found[:120]])

    def _open(self, method: str, href: str, body: bytes | None = None, hops: int = 5) -> Answer:
        target = urlsplit(urljoin(f"http://127.0.0.1{self._path}", href))
        self._path = target.path + (f"?{target.query}" if target.query else "")
        headers = [("Host", "127.0.0.1"), ("Cookie", "; ".join(f"{k}={v}" for k, v in self._cookies.items()))]
        if body is not None:
            headers.append(("Content-Type", "application/x-www-form-urlencoded"))
        answer = self._client.request(method, self._path.removeprefix(self._script_name), headers, body)
        self._keep(answer)
        if answer.status in REDIRECTS and hops:
            return self._open("GET", answer.get("Location"), hops=hops - 1)
        if answer.status != 200:
            raise NotRight(str(answer))
        self.answer = answer
        if answer.get("Content-Type").startswith("text/html"):
            self.page = HtmlPage(answer.text)
        return answer

    def _keep(self, answer: Answer) -> None:
        for line in answer.all("Set-Cookie"):
            for name, morsel in SimpleCookie(line).items():
                self._cookies[name] = morsel.value

    @property
    def path(self) -> str:
        """The path of the page that is open, as the browser has it."""
        return self._path

    @property
    def cookies(self) -> dict[str, str]:
        """The cookies that it keeps, by name."""
        return dict(self._cookies)
