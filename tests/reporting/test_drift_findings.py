"""The sentence about the photos of an inference."""

from dataclasses import replace

import numpy as np

from dogs_vs_cats.evaluation.drift import Sample, compare
from dogs_vs_cats.reporting.drift_findings import figures, verdict

CLASSES = ["cat", "dog"]


def answers(count, flagged, confidence=0.9, dogs=0.5):
    """Answers of which a part is flagged, and as many of each class have the confidence, give or take 0.05."""
    certain = confidence + np.where(np.arange(count) % 2, 0.05, -0.05)
    dog = np.where(np.arange(count) < dogs * count, certain, 1 - certain)
    return Sample.of(np.column_stack([1 - dog, dog]), np.arange(count) < flagged * count)


TEST = answers(600, flagged=0.05)


def said(new, test=TEST):
    return verdict(compare(new, test, CLASSES))


def test_photos_without_a_difference_that_was_found():
    assert said(answers(240, flagged=0.05)) == "No difference from the test photos was found in these 240 photos."
    undescribed = replace(answers(240, flagged=0.05), unfamiliar=None)
    assert said(undescribed) == ("No difference from the test photos was found in the confidence of these 240 photos.")


def test_photos_that_do_not_with_the_figures_that_say_so():
    assert said(answers(1000, flagged=0.31)) == (
        "These 1,000 photos don't look like the training photos: 31.0% (28.2–33.9) are unlike any training photo; "
        "5.0% of the test photos are."
    )
    assert said(answers(240, flagged=0.05, confidence=0.7)) == (
        "These 240 photos don't look like the training photos: the mean confidence is 70.0% (69.4–70.6); for test "
        "photos of the same predicted classes it is 90.0%."
    )


def test_another_mix_alone_is_no_drift():
    assert said(answers(240, flagged=0.05, dogs=0.8)) == (
        "No difference from the test photos was found in these 240 photos, except in their mix of classes, which alone "
        "is not drift: 80.0% (74.5–84.6) are classified as dog; 50.0% of the test photos are."
    )


def test_what_can_not_be_judged_says_why():
    assert said(answers(1, flagged=1)) == (
        "It takes 30 photos to say whether they look like the training photos; there is 1."
    )
    why_not = "These 240 photos can't be compared with the test photos: the model"
    assert said(answers(240, flagged=1), None) == (
        f"{why_not} has no stored answers to test photos. Train it again to store them."
    )
    assert said(answers(240, flagged=1), answers(8, flagged=1)) == f"{why_not} has 8 test photos; 30 are needed."
    grouped = replace(TEST, groups=np.arange(600) // 10)
    assert said(answers(240, flagged=1), grouped) == (
        f"{why_not}'s test photos come in groups, but the comparison needs independent photos."
    )


def test_each_figure_has_a_line_with_both_intervals():
    lines = figures(compare(answers(240, flagged=0.1), TEST, CLASSES))
    assert lines == [
        ("Out of distribution", "10.0% (6.8–14.4)", "5.0% (3.5–7.0)"),
        ("Mean confidence", "90.0% (89.4–90.6)", "90.0% (89.6–90.4)"),
        ("Predicted as cat", "50.0% (43.7–56.3)", "50.0% (46.0–54.0)"),
        ("Predicted as dog", "50.0% (43.7–56.3)", "50.0% (46.0–54.0)"),
    ]
    unknown = figures(compare(answers(240, flagged=0.1), None, CLASSES))
    assert [line[2] for line in unknown] == ["unknown"] * 4
