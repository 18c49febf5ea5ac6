"""Libraries' losses in our terms: identities that hold for every convention, and each claim of the table."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdlab.core.conventions import CONVENTIONS
from kdlab.core.hinton import hinton_loss, logit_gradients
from kdlab.core.probability import entropy, softmax

STUDENT = np.array([[2.0, 0.5, -1.0, 0.3], [0.1, 1.2, 0.4, -0.6], [-0.5, 0.2, 1.5, 0.9]])
TEACHER = np.array([[3.0, 1.5, -2.0, 0.1], [0.4, 2.5, 1.9, -1.0], [0.6, -0.2, 2.5, 2.2]])
LABEL = np.array([0, 2, 3])
CLASSES = STUDENT.shape[1]


def defaults_of(convention):
    return {parameter.name: parameter.default for parameter in convention.parameters}


def loss_of(name, **values):
    convention = CONVENTIONS[name]
    return convention.loss(STUDENT, TEACHER, LABEL, defaults_of(convention) | values)


def ours(temperature, kd_weight, t_squared=True):
    return hinton_loss(STUDENT, TEACHER, LABEL, temperature, kd_weight, t_squared).total.mean()


@st.composite
def settings_of_a_library(draw):
    convention = CONVENTIONS[draw(st.sampled_from(sorted(CONVENTIONS)))]
    drawn = {p.name: draw(st.floats(p.low, p.high)) for p in convention.parameters}
    return convention, drawn


@given(settings_of_a_library())
def test_a_translation_times_its_factor_is_the_librarys_loss_without_its_other_term(chosen):
    convention, values = chosen
    translation = convention.translate(values, CLASSES)
    if translation is None:
        return
    temperature, kd_weight, scale = translation
    terms = convention.loss(STUDENT, TEACHER, LABEL, values)
    total = terms.supervised + terms.distillation
    np.testing.assert_allclose(scale * ours(temperature, min(kd_weight, 1.0)), total, rtol=1e-9, atol=1e-12)


@given(
    name=st.sampled_from(sorted(CONVENTIONS)), temperature=st.floats(0.5, 20), kd_weight=st.floats(0.02, 0.98)
)
def test_settings_for_our_loss_translate_back_to_it(name, temperature, kd_weight):
    convention = CONVENTIONS[name]
    values = convention.settings(temperature, kd_weight, CLASSES)
    if values is None:
        assert name in {"trl_gkd", "trl_distillation", "keras_default"}
        return
    translation = convention.translate(defaults_of(convention) | values, CLASSES)
    assert translation is not None
    np.testing.assert_allclose(translation[:2], (temperature, kd_weight), rtol=1e-9)


def test_settings_name_parameters_of_the_library():
    for convention in CONVENTIONS.values():
        values = convention.settings(1.0, 1.0, CLASSES) or convention.settings(1.0, 0.5, CLASSES)
        if values is None:
            assert convention.name == "keras_default"
            continue
        assert set(values) <= {parameter.name for parameter in convention.parameters}
        assert convention.alpha is None or convention.alpha in values


def test_defaults_lie_within_their_range():
    for convention in CONVENTIONS.values():
        for parameter in convention.parameters:
            assert parameter.low <= parameter.default <= parameter.high, (convention.name, parameter.name)


@pytest.mark.parametrize(
    "name", ["keras_example", "keras_example_2020", "torchdistill", "keras", "keras_default"]
)
def test_alpha_on_cross_entropy_leaves_only_cross_entropy_at_one(name):
    convention = CONVENTIONS[name]
    assert convention.alpha_weighs == "cross-entropy"
    terms = loss_of(name, **{convention.alpha: 1.0})
    assert terms.distillation == 0
    np.testing.assert_allclose(terms.supervised, ours(1.0, 0.0))


def test_the_one_term_that_alpha_weighs_grows_with_it_and_the_other_does_not():
    for convention in CONVENTIONS.values():
        if convention.alpha_weighs is None:
            continue
        low, high = (loss_of(convention.name, **{convention.alpha: value}) for value in (0.2, 0.4))
        supervised, distillation = high.supervised - low.supervised, high.distillation - low.distillation
        grows, other = supervised, distillation
        if convention.alpha_weighs == "distillation":
            grows, other = other, grows
        assert grows > 0, convention.name
        assert other <= 0, convention.name


def test_a_library_with_another_term_says_what_it_is():
    for convention in CONVENTIONS.values():
        terms = convention.loss(STUDENT, TEACHER, LABEL, defaults_of(convention))
        assert (terms.other > 0) == bool(convention.other) == bool(convention.other_words), convention.name


@pytest.mark.parametrize("name", ["haitongli", "distillkit_2024"])
def test_alpha_on_distillation_leaves_only_the_soft_term_at_one(name):
    assert CONVENTIONS[name].alpha_weighs == "distillation"
    terms = loss_of(name, alpha=1.0)
    assert terms.supervised == 0
    assert terms.distillation > 0


def test_the_keras_example_copied_number_for_number_is_another_loss():
    # alpha 0.1 there is kd_weight 0.9 here.
    terms = loss_of("keras_example", alpha=0.1, temperature=4.0)
    np.testing.assert_allclose(terms.total, ours(4.0, 0.9))
    assert abs(terms.total - ours(4.0, 0.1)) > 0.1


def test_t_squared_is_there_exactly_where_the_table_says_so():
    for convention in CONVENTIONS.values():
        name = next(p.name for p in convention.parameters if p.name in ("temperature", "T", "kd_T"))
        values = defaults_of(convention) | {name: 4.0}
        weighted = convention.weighted_sum(values, CLASSES)
        cold = convention.weighted_sum(values | {name: 1.0}, CLASSES)
        assert convention.name != "keras_default" or weighted.without_softmax
        ratio = weighted.soft / cold.soft
        np.testing.assert_allclose(ratio, 16.0 if convention.t_squared else 1.0, err_msg=convention.name)


def test_torchdistill_drops_both_factors_at_alpha_zero():
    at_zero, near = (
        loss_of("torchdistill", alpha=0.0, temperature=4.0),
        loss_of("torchdistill", alpha=1e-9, temperature=4.0),
    )
    np.testing.assert_allclose(near.total / at_zero.total, 16.0, rtol=1e-6)


def test_repdistillers_weights_are_free():
    np.testing.assert_allclose(loss_of("repdistiller", gamma=0.1, alpha=0.9).total, ours(4.0, 0.9))
    forgotten = CONVENTIONS["repdistiller"].translate({"gamma": 1.0, "alpha": 0.9, "kd_T": 4.0}, CLASSES)
    np.testing.assert_allclose(forgotten, (4.0, 0.9 / 1.9, 1.9))


def test_distillkits_weights_are_divided_by_their_sum():
    once = loss_of("distillkit", weight_cross_entropy=0.25, weight_kl=0.75, temperature=2.0)
    twice = loss_of("distillkit", weight_cross_entropy=0.5, weight_kl=1.5, temperature=2.0)
    np.testing.assert_allclose(once.total, twice.total)
    np.testing.assert_allclose(once.total, ours(2.0, 0.75))


def test_a_mean_over_classes_makes_the_soft_term_k_times_too_small():
    wrong = loss_of("haitongli", alpha=1.0, temperature=3.0).total
    np.testing.assert_allclose(wrong * CLASSES, ours(3.0, 1.0))


def test_the_tutorials_first_version_adds_the_teachers_entropy_and_nothing_else():
    first, later = loss_of("pytorch_tutorial_2023"), loss_of("pytorch_tutorial")
    floor = 0.25 * 4 * entropy(softmax(TEACHER, 2.0), base=np.e).mean()
    np.testing.assert_allclose(first.total - later.total, floor)
    np.testing.assert_allclose(first.other, floor)


def test_the_tutorials_two_versions_have_one_gradient():
    step = 1e-6
    bumped = STUDENT + step * np.eye(CLASSES)[LABEL]

    def slope(name):
        convention = CONVENTIONS[name]
        here = convention.loss(STUDENT, TEACHER, LABEL, defaults_of(convention)).total
        return (convention.loss(bumped, TEACHER, LABEL, defaults_of(convention)).total - here) / step

    np.testing.assert_allclose(slope("pytorch_tutorial_2023"), slope("pytorch_tutorial"), rtol=1e-6)
    exact = logit_gradients(STUDENT, TEACHER, LABEL, 2.0, 0.25).total
    np.testing.assert_allclose(
        slope("pytorch_tutorial"), np.take_along_axis(exact, LABEL[:, None], 1).mean(), rtol=1e-4
    )


def test_distilberts_three_terms_have_free_weights():
    terms = loss_of("distilbert", alpha_ce=5.0, alpha_mlm=2.0, alpha_cos=1.0, cosine=0.75)
    np.testing.assert_allclose(terms.supervised, 2 * ours(1.0, 0.0))
    np.testing.assert_allclose(terms.distillation, 5 * ours(2.0, 1.0))
    np.testing.assert_allclose(terms.other, 0.25)


def test_trls_gkd_temperature_and_lmbda_do_not_move_the_loss():
    assert loss_of("trl_gkd", temperature=0.3, lmbda=1.0) == loss_of("trl_gkd")
    moved = {p.name for p in CONVENTIONS["trl_gkd"].parameters if p.in_loss}
    assert moved == {"beta"}


def test_trl_has_no_labels_and_a_kl_only_at_its_end():
    np.testing.assert_allclose(loss_of("trl_gkd", beta=0.0).total, ours(1.0, 1.0))
    assert loss_of("trl_gkd", beta=1e-6).total < 1e-4 < loss_of("trl_gkd", beta=0.0).total
    gkd = CONVENTIONS["trl_gkd"]
    assert gkd.translate({"beta": 0.0}, CLASSES) == (1.0, 1.0, 1.0)
    assert gkd.translate({"beta": 0.5}, CLASSES) is None


def test_one_example_is_a_batch_of_one_and_a_batch_is_the_mean_of_its_examples():
    for convention in CONVENTIONS.values():
        values = defaults_of(convention)
        alone = [
            convention.loss(z_s, z_t, y, values).total
            for z_s, z_t, y in zip(STUDENT, TEACHER, LABEL, strict=True)
        ]
        batch = convention.loss(STUDENT, TEACHER, LABEL, values).total
        np.testing.assert_allclose(np.mean(alone), batch, err_msg=convention.name)
