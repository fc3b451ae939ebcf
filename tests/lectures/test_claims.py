"""Every claim of the lectures has a verdict, and the figures in the page are computed."""

import jinja2
import numpy as np
import pytest

from dogs_vs_cats.datasets.environments import EnvironmentsDataset
from dogs_vs_cats.lectures.claims import Claim, Verdict, command_line, content, table
from dogs_vs_cats.lectures.quantities import same_row
from dogs_vs_cats.pipelines.replication import nodes
from tests.conftest import PROJECT

PROOFS = {
    "approach 1: parameters, with its printed output Dense(1, softmax)": "two outputs (15,242,050)",
    "approach 1: output of a softmax over one unit": "exp(x)/exp(x) is 1",
    "input of VGG16": "255 times weaker",
    "augmentation: shear_range": "0.2 radians are 11.5 degrees",
    "AlexNet: parameters of the first dense layer": "9,216 · 4,096 + 1 = 37,748,737",
    "AlexNet: parameters of the second dense layer": "4,096 · 4,096 + 1 = 16,777,217",
    "AlexNet: parameters of the third dense layer": "4,096 · 1,000 + 1 = 4,096,001",
    "AlexNet: share of the convolutions in the parameters": "3,747,200 of 62,378,344",
    "AlexNet: image size of ImageNet": "takes this size",
    "Inception: gain of parallel convolutions": "31.1 times fewer multiplications",
    "output size: formula": "54.25 on 224 pixels, where it finds 54",
    "memory of 100 maps of 512×512 in 32 bit": "3 · 100 maps are 300 MB",
    "memory of a batch of 100 of these images": "29.3 GB",
    "MLP on 224×224×3 with three layers of 128: parameters": "150,528 · 128³ = 315,680,096,256",
    "kernel: blur": "100 into −100",
    "kernel: blur by ones": "100 into 900",
    "first output of a 3×3 kernel on a 4×4 image": "setting one weight to 1",
    "Laplacian, valid": "its middle is 14 −12 25 / 17 −14 −7 / −14 24 −3",
    "Sobel on the first window": "gives 3; but then the second window gives −27",
    "second window (the first, moved by one column): its first two columns": "last two columns of the first",
}
"""The statement of each slip's note, with figures."""


@pytest.fixture(scope="module")
def claims():
    return nodes.replicate({}, EnvironmentsDataset(filepath=str(PROJECT / "conf")).load())


def by_claim(claims):
    return claims.set_index("claim")


@pytest.mark.medium
def test_every_claim_has_a_verdict_and_says_what_the_lecture_prints(claims):
    assert set(claims["verdict"]) <= set(Verdict)
    assert (claims[["topic", "claim", "source", "lecture", "command"]] != "").all(axis=None)
    assert not claims["claim"].duplicated().any()
    known = claims[~claims["verdict"].isin([Verdict.NOT_RUN, Verdict.UNCHECKED])]
    assert (known["ours"] != "").all()
    assert (claims.loc[claims["verdict"].isin([Verdict.NOT_RUN, Verdict.UNCHECKED]), "note"] != "").all()
    assert set(claims["command"]) == set(content()["commands"])
    assert not claims["ours"].str.contains("{", regex=False).any()
    assert not claims["note"].str.contains("{", regex=False).any()


@pytest.mark.medium
def test_every_slip_is_proved(claims):
    notes = by_claim(claims[claims["verdict"] == Verdict.SLIP])["note"]
    assert set(notes.index) == set(PROOFS)
    assert {claim for claim, proof in PROOFS.items() if proof not in notes[claim]} == set()


@pytest.mark.medium
def test_the_known_slips_are_found_by_computing(claims):
    ours = by_claim(claims[claims["verdict"] == Verdict.SLIP])["ours"]
    assert ours["approach 1: output of a softmax over one unit"] == "1, always"
    assert ours["approach 1: parameters, with its printed output Dense(1, softmax)"] == "15,241,025"
    assert ours["AlexNet: parameters of the first dense layer"] == "37,752,832"
    assert ours["AlexNet: image size of ImageNet"] == "224×224"
    assert ours["memory of 100 maps of 512×512 in 32 bit"] == "100 MB"
    assert ours["MLP on 224×224×3 with three layers of 128: parameters"] == "19,300,736"
    assert ours["Laplacian, valid"].split(" / ")[1] == "17 −14 −7"
    assert ours["Sobel on the first window"] == "−3"
    assert ours["input of VGG16"] == "BGR minus means, −124 to 151"
    assert ours["augmentation: shear_range"] == "0.2 degrees, which move a pixel by 0.3 at most"
    assert ours["kernel: blur"] == "1/9 · ones"


@pytest.mark.medium
def test_all_else_that_is_computed_is_the_same_here(claims):
    """Beside the slips, no setting and no count differs from the lecture's."""
    assert not (claims["verdict"] == Verdict.OTHER).any()


@pytest.mark.medium
def test_iris_is_trained_while_the_page_is_written(claims):
    row = by_claim(claims).loc["MLP: accuracy on Iris"]
    assert float(row["ours"].rstrip("%")) >= 96
    assert row["verdict"] == "agrees"


def test_a_setting_that_is_changed_here_is_no_slip_of_the_lecture():
    lecture = nodes.parameters(EnvironmentsDataset(filepath=str(PROJECT / "conf")).load(), "lecture")
    lecture["augmentation"]["rotation_range"] = 20
    (row,) = (claim for claim in table() if claim.claim.startswith("augmentation: rotation"))
    claim = row.filled({"lecture": lecture})
    assert (claim.ours, claim.verdict) == ("20; 0.2; 0.2; 0.2; 0.2; no", "other")


@pytest.mark.parametrize(
    ("lecture", "setting", "verdict"),
    [("1,000", False, "the same"), ("1,000", True, "the same"), ("1,001", False, "slip"), ("1,001", True, "other")],
)
def test_figures_that_differ_are_a_slip_unless_both_are_choices(lecture, setting, verdict):
    claim = Claim("t", "c", "L1", lecture, "{count:,}", setting=setting, note="{count + 1}").filled({"count": 1_000})
    assert (claim.lecture, claim.ours, claim.note, claim.verdict) == (lecture, "1,000", "1001", verdict)


def test_a_figure_that_no_lecture_prints_is_ours_only():
    assert Claim("t", "c", "L1", ours="{count}").filled({"count": 7}).verdict == "ours only"


def test_an_expression_with_an_unknown_name_is_an_error():
    with pytest.raises(jinja2.UndefinedError, match="counts"):
        Claim("t", "c", "L1", ours="{counts:,}").filled({"count": 7})


def test_the_table_holds_texts_that_name_figures():
    for claim in table():
        texts = (claim.topic, claim.claim, claim.source, claim.lecture, claim.ours, claim.note, claim.verdict)
        assert all(isinstance(text, str) for text in texts), claim
        assert claim.command in content()["commands"], claim
        # Only claims that aren't checked, or wait for results, have no figure.
        assert "{" in claim.ours or claim.accuracy or claim.verdict in ("unchecked", "not run"), claim


def test_a_row_that_all_rows_are():
    assert same_row(np.array([[0, -30], [0, -30]])) == "0 −30"


# The page


@pytest.mark.medium
def test_the_page_has_every_claim_once_and_stays_tables(claims):
    text = nodes.write(claims)[1]
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert {line.count(" | ") for line in rows} <= {2, 4, 6}
    for claim in claims["claim"]:
        assert sum(row.startswith(f"| {claim} |") for row in rows) == 1, claim
    for verdict in Verdict:
        assert any(row.startswith(f"| {verdict} | {(claims['verdict'] == verdict).sum()} |") for row in rows), verdict
    assert all(f"{number}. " in text for number, _ in enumerate(content()["commands"], start=1))


@pytest.mark.medium
def test_the_page_in_the_repository_has_what_is_computed_now(claims):
    in_repository = (PROJECT / "docs/replication.md").read_text(encoding="utf-8").splitlines()
    # Found when the page is written, without results of experiments.
    computed = claims.loc[claims["verdict"].isin([Verdict.SAME, Verdict.SLIP, Verdict.OTHER]), "claim"]
    starts = tuple(f"| {claim} |" for claim in computed)
    rows = [line for line in nodes.write(claims)[1].splitlines() if line.startswith(starts)]
    assert len(rows) == len(computed)
    missing = [row for row in rows if row not in in_repository]
    assert missing == [], "kedro run --pipelines=replication writes the page anew"
    text = "\n".join(in_repository).replace(" \\\n      --params", " --params")
    assert all(command_line(name) in text for name in content()["commands"])
