"""A page as its reader sees it: links, forms with their fields, buttons, text."""

import dataclasses
from html.parser import HTMLParser


@dataclasses.dataclass
class Control:
    """A link or a button: its text, and where it leads or which form it sends."""

    tag: str
    attributes: dict[str, str]
    form: "Form | None" = None
    text: str = ""

    def label(self) -> str:
        """Return what is written on it."""
        words = f"{self.text} {self.attributes.get('value', '')} {self.attributes.get('title', '')}"
        return " ".join(words.split())


@dataclasses.dataclass
class Form:
    """A form: where and how it is sent, and what stands in it."""

    attributes: dict[str, str]
    fields: list[tuple[str, str]] = dataclasses.field(default_factory=list)

    @property
    def method(self) -> str:
        """GET or POST."""
        return self.attributes.get("method", "get").upper()

    def filled(self, **values: str) -> list[tuple[str, str]]:
        """Return its fields with these values instead of what stood in them."""
        return [*((name, text) for name, text in self.fields if name not in values), *values.items()]


class HtmlPage(HTMLParser):
    """A page read."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self.controls: list[Control] = []
        self.text = ""
        self._by_id: dict[str, Form] = {}
        self._elsewhere: list[tuple[str, Control | tuple[str, str]]] = []
        self._form: Form | None = None
        self._open: list[Control] = []
        self._textarea: tuple[str, str] | None = None
        self._select = ""
        self._chosen: list[str] = []
        self._skip = 0
        self.feed(text)
        self.close()
        for form_id, part in self._elsewhere:
            form = self._by_id.get(form_id)
            if isinstance(part, Control):
                part.form = form
            elif form is not None:
                form.fields.append(part)

    def find(self, *words: str) -> Control | None:
        """Return the first link or button on which one of these words stands."""
        return next((one for one in self.controls if any(word in one.label() for word in words)), None)

    def link(self, end: str) -> Control | None:
        """Return the first link whose path ends so."""
        return next(
            (one for one in self.controls if one.attributes.get("href", "").split("?")[0].endswith(end)), None
        )

    def form_with(self, field: str) -> Form | None:
        """Return the first form that has a field of this name."""
        return next((form for form in self.forms if any(name == field for name, _ in form.fields)), None)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: text or "" for name, text in attrs}
        if tag in ("script", "style"):
            self._skip += 1
        elif tag == "form":
            self._form = Form(found)
            self.forms.append(self._form)
            if "id" in found:
                self._by_id[found["id"]] = self._form
        elif tag == "a" and "href" in found:
            self._control(Control(tag, found))
        elif tag == "button" and found.get("type", "submit") == "submit":
            self._control(Control(tag, found, self._form))
        elif tag == "input":
            self._input(found)
        elif tag == "textarea":
            self._textarea = (found.get("name", ""), "")
        elif tag == "select":
            self._select, self._chosen = found.get("name", ""), []
        elif tag == "option" and self._select and (not self._chosen or "selected" in found):
            self._chosen = [found.get("value", "")]

    def _input(self, found: dict[str, str]) -> None:
        kind = found.get("type", "text")
        if kind in ("submit", "image"):
            self._control(Control("input", found, self._form))
            self._open.pop()
        elif kind not in ("checkbox", "radio") or "checked" in found:
            self._field(found.get("name", ""), found.get("value", "on" if kind == "checkbox" else ""), found)

    def _control(self, control: Control) -> None:
        self.controls.append(control)
        self._open.append(control)
        if "form" in control.attributes:
            self._elsewhere.append((control.attributes["form"], control))

    def _field(self, name: str, text: str, found: dict[str, str]) -> None:
        if name and "form" in found:
            self._elsewhere.append((found["form"], (name, text)))
        elif name and self._form is not None:
            self._form.fields.append((name, text))

    def handle_endtag(self, tag: str) -> None:
        if tag in ("script", "style"):
            self._skip -= 1
        elif tag == "form":
            self._form = None
        elif tag == "textarea" and self._textarea:
            # The first line feed in a textarea is not part of its text.
            self._field(self._textarea[0], self._textarea[1].removeprefix("\n"), {})
            self._textarea = None
        elif tag == "select":
            for text in self._chosen:
                self._field(self._select, text, {})
            self._select = ""
        elif self._open and tag == self._open[-1].tag:
            self._open.pop()

    def handle_data(self, data: str) -> None:
        if self._skip:
            return
        self.text += data
        for control in self._open:
            control.text += data
        if self._textarea:
            self._textarea = (self._textarea[0], self._textarea[1] + data)
