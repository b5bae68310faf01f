"""A page that many get with the same values is rendered once."""

from pathlib import Path

import jinja2
import pytest

from inventory.kit.pages import KEPT_MAX, Look, Pages


@pytest.fixture
def pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pages:
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "page.html").write_text("{{ name }}, {{ brand }}: {{ page_title }}")
    monkeypatch.setattr("inventory.kit.pages.static_folder", lambda: tmp_path)
    return Pages(brand="Waitroom", filters={}, shared={})


@pytest.fixture
def rendered(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Each rendering of a template."""
    found: list[object] = []
    render = jinja2.Template.render

    def note(template: jinja2.Template, **values: object) -> str:
        found.append(values["name"])
        return render(template, **values)

    monkeypatch.setattr(jinja2.Template, "render", note)
    return found


def text(pages: Pages, name: str, *, title: str = "t", keep: bool = True, brand: str = "") -> str:
    look = Look(brand=brand)
    return str(pages.render("page.html", {"name": name}, title=title, look=look, keep=keep).text)


def test_the_same_values_give_the_text_that_was_kept(pages: Pages, rendered: list[object]) -> None:
    assert [text(pages, "ada") for _ in range(3)] == ["ada, Waitroom: t"] * 3
    assert rendered == ["ada"]


def test_whatever_differs_gives_another_text(pages: Pages) -> None:
    texts = [text(pages, "ada"), text(pages, "bo"), text(pages, "ada", title="u"),
             text(pages, "ada", brand="Ours"), text(pages, "ada")]  # fmt: skip

    assert texts == ["ada, Waitroom: t", "bo, Waitroom: t", "ada, Waitroom: u", "ada, Ours: t",
                     "ada, Waitroom: t"]  # fmt: skip


def test_no_other_page_is_kept_and_only_so_many_are(pages: Pages, rendered: list[object]) -> None:
    for _ in range(2):
        text(pages, "own", keep=False)
    for number in range(KEPT_MAX + 1):
        text(pages, f"{number}")
    text(pages, "0")

    assert rendered[:2] == ["own", "own"]
    assert len(rendered) == 2 + KEPT_MAX + 2
