"""The report and the model card: self-contained, escaped, readable, and nothing private where it may be shared."""

import itertools
import re
import subprocess
import sys
import zipfile
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import pytest

from fedcrm.evaluation.report import SharedFacts, markdown_text, plain_text, render_model_card, render_report

BACKEND = Path(__file__).resolve().parents[3]
VOID = {"meta", "br", "hr", "img", "input", "link"}
EVIL = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "{{ 7 * 7 }}{% raise %}",
    "Robert'); DROP TABLE | students | --",
    "# heading\n\n* list `code` [link](http://evil.example) ![i](http://evil.example)",
    "\u202etxt.exe\u0000\u200b",
    "x" * 5000,
    "</title></svg></style><style>*{display:none}</style>",
    "&lt;b&gt; --> <!-- &amp;",
)


class Page(HTMLParser):
    """Checks nesting while it reads; keeps elements and text."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.open, self.elements, self.words = [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] not in {"style"}:
            self.words.append(data)

    @property
    def text(self):
        return re.sub(r"\s+", " ", " ".join(self.words))


@pytest.fixture
def page(results):
    return Page(render_report(results))


def test_the_report_asks_for_nothing_from_anywhere_and_runs_no_script(page):
    assert not {"script", "link", "iframe", "object", "embed", "img", "base", "form"} & {
        tag for tag, _ in page.elements
    }
    for _, attributes in page.elements:
        assert not any(name.startswith("on") or name in {"src", "srcset", "action"} for name in attributes)
        assert attributes.get("href", "#").startswith("#")
    styles = (BACKEND / "fedcrm/templates/report.css").read_text("utf-8")
    assert "url(" not in styles
    assert "@import" not in styles
    policy = next(a["content"] for t, a in page.elements if a.get("http-equiv") == "Content-Security-Policy")
    assert policy == "default-src 'none'; style-src 'unsafe-inline'"


def test_every_reference_inside_the_page_has_exactly_one_target(page):
    ids = [a["id"] for _, a in page.elements if "id" in a]
    assert len(ids) == len(set(ids))
    targets = [a["href"][1:] for _, a in page.elements if "href" in a]
    labels = [word for _, a in page.elements for word in a.get("aria-labelledby", "").split()]
    assert set(targets) | set(labels) <= set(ids)


def test_every_plot_speaks_and_every_table_names_its_columns(page):
    pictures = [a for tag, a in page.elements if tag == "svg" and "x" not in a and "y" not in a]
    assert len(pictures) > 50
    assert all(a.get("role") == "img" or a.get("aria-hidden") == "true" for a in pictures)
    assert all(a.get("scope") in {"col", "row"} for tag, a in page.elements if tag == "th")
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))


def test_the_report_names_every_organisation_and_its_figures(results, page):
    for organisation in results.organisations:
        assert organisation.name in page.text
        assert f"{organisation.rows:,}" in page.text
        if organisation.chosen is not None:
            assert f"{organisation.chosen:.3f}" in page.text
    assert f"{results.central:.3f}" in page.text
    assert results.model_digest in page.text


@pytest.mark.parametrize(
    "sentence",
    [
        "owns all nine node directories",
        "smaller is stronger",
        "Per training",
        "Per period",
        "Not hidden",
        "segments of one company",
        "Refused: one of nine by the default rule, three of nine by the literal one. In force was the default one.",
    ],
)
def test_the_report_says_in_plain_words(page, sentence):
    assert sentence in page.text


def test_hostile_names_stay_text_in_the_report(make_results):
    hostile = make_results(
        EVIL, data_set=EVIL[0], task=EVIL[7], stopped_early=EVIL[1], pairs=EVIL[:3], left_out=EVIL[:2]
    )
    effects = tuple(
        replace(e, words=EVIL[0], field=EVIL[1], labels=tuple(EVIL[k % 9] for k in range(len(e.labels))))
        for e in hostile.effects
    )
    html = render_report(replace(hostile, effects=effects))
    page, plain = Page(html), Page(render_report(make_results()))
    assert {tag for tag, _ in page.elements} <= {tag for tag, _ in plain.elements}
    assert sum(tag == "style" for tag, _ in page.elements) == 1
    assert not any(name.startswith("on") for _, a in page.elements for name in a)
    assert "{{ 7 * 7 }}" in page.text
    assert "\u202e" not in html
    assert "\x00" not in html
    html.encode("utf-8")


def test_what_switches_the_direction_of_writing_is_made_visible():
    assert plain_text("a\u202eb\u2066c\x00d\ud800e\n f") == "a\ufffdb\ufffdc\ufffdd\ufffde f"


def test_a_result_with_nothing_measured_still_renders(make_results):
    bare = make_results()
    unmeasured = tuple(
        replace(o, local=None, federated=None, personal=None, chosen=None, charges=(), weights={})
        for o in bare.organisations
    )
    empty = replace(
        bare,
        organisations=unmeasured,
        rounds=(),
        effects=(),
        pairs=(),
        seconds={},
        means={},
        central=float("nan"),
        central_by_organisation={},
    )
    assert "No organisation has enough test records" in Page(render_report(empty)).text
    assert not re.search(r"\bnan\b", render_report(empty) + render_model_card(empty))


def test_fields_come_in_the_order_of_the_results(results):
    turned = replace(results, effects=results.effects[::-1])
    for words in (
        Page(render_report(turned)).text.split("What the federated model learned")[-1],
        render_model_card(turned),
    ):
        places = [words.index(effect.words) for effect in turned.effects]
        assert places == sorted(places)


def test_spearman_stands_beside_its_attainable_maximum_where_it_was_asked_for(results):
    asked = replace(
        results,
        metric="auc+spearman",
        organisations=tuple(replace(o, spearman=0.412, spearman_max=0.699) for o in results.organisations),
    )
    text = Page(render_report(asked)).text
    assert text.count("0.412") == text.count("0.699") == 9
    assert "Highest possible" in text
    assert "Highest possible" not in Page(render_report(results)).text


def test_the_shared_part_of_the_card_holds_no_exact_figure(results):
    marked = tuple(
        replace(
            o,
            rows=987_001 + n,
            positives=654_001 + n,
            local=0.111001,
            federated=0.222001,
            personal=0.333001,
            chosen=0.444001,
            epsilon_spent=5.55,
            gate_drop=0.666001,
            choice="local",
            spearman=0.777001,
        )
        for n, o in enumerate(results.organisations)
    )
    private = replace(
        results,
        organisations=marked,
        central=0.888001,
        means={"local": 0.111001},
        left_out=("Somebody left out",),
        seed=424242,
    )
    shared, _, own = render_model_card(private).partition("<!-- CUT HERE")
    for figure in (
        "987,00",
        "987001",
        "654,00",
        "0.111",
        "0.222",
        "0.333",
        "0.444",
        "5.55",
        "0.666",
        "0.777",
        "0.888",
        "left out",
        "424242",
        "refused",
    ):
        assert figure not in shared, figure
    for figure in ("987,001", "0.444", "5.55", "0.888", "Somebody left out"):
        assert figure in own, figure
    # A different exact world with the same charged figures gives the same shared part, to the byte.
    assert shared == render_model_card(results).partition("<!-- CUT HERE")[0]
    assert SharedFacts.of(private) == SharedFacts.of(results)


def test_hostile_names_stay_one_cell_of_the_card(make_results):
    card = render_model_card(make_results(EVIL, task=EVIL[4], data_set=EVIL[0]))
    plain = render_model_card(make_results())
    cells = [[line.count("|") for line in text.splitlines() if line.startswith("|")] for text in (card, plain)]
    assert cells[0] == cells[1]
    assert len(re.findall(r"^#", card, re.M)) == len(re.findall(r"^#", plain, re.M))
    assert "<script" not in card
    assert "](http" not in card
    assert card.count("<!--") == 1


def test_markdown_text_reads_as_it_was_written():
    for text in ("a|b", "*x*", "1. first", "# no heading", "<b>", "C:\\dir", "`code`", "- item", "a_b_c", "5 & 6"):
        assert unescape(str(markdown_text(text))) == text


def test_a_wheel_carries_the_templates(tmp_path):
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=BACKEND,
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    held = set(zipfile.ZipFile(wheel).namelist())
    assert {f"fedcrm/templates/{p.name}" for p in (BACKEND / "fedcrm/templates").iterdir()} <= held
    assert "fedcrm/templates/report.html.j2" in held


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_and_marks_stand_out_from_their_ground(scheme):
    css = (BACKEND / "fedcrm/templates/report.css").read_text("utf-8")
    light, dark = (
        dict(re.findall(r"--(\w+): (#[0-9a-f]{6})\b", block))
        for block in re.findall(r":root \{(.*?)\n\s*\}", css, re.S)[:2]
    )
    colours = light if scheme == "light" else {**light, **dark}
    for text in ("ink", "soft", "personal", "federated"):
        for ground in ("paper", "card"):
            assert _contrast(colours[text], colours[ground]) >= 4.5, (text, ground)
    assert _contrast(colours["ink"], colours["notice"]) >= 4.5
    for drawn in ("local", "federated", "personal", "central", "fill", "ring", "p0", "p1", "p2", "p3", "p4", "p5"):
        assert _contrast(colours[drawn], colours["card"]) >= 3.0, drawn


def _contrast(one, other):
    """WCAG 2.2 contrast ratio."""

    def luminance(colour):
        parts = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    brighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (brighter + 0.05) / (darker + 0.05)
