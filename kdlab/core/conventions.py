"""Hinton's loss as the libraries write it: what their alpha weighs, whether T² is there, how they average.

Each entry was read in the library's own source, which its citation names; every claim is a test. Where a library
changed its loss, both versions stand here.
"""

from __future__ import annotations

from kdlab.core.convention_terms import Convention, Parameter, Values, WeightedSum


def _temperature(name: str, default: float, default_from: str = "", what: str = "") -> Parameter:
    what = what or "Divides both sides' logits before the softmax."
    return Parameter(name, what, default, 0.5, 20.0, 0.1, "log", default_from)


def _weighed(cross_entropy: float, soft: float, temperature: float, **more: float) -> WeightedSum:
    """The soft term with its T²."""
    return WeightedSum(cross_entropy, soft * temperature**2, temperature, **more)  # type: ignore[arg-type]


def _torchdistill(values: Values, classes: int) -> WeightedSum:
    if values["alpha"] == 0:
        return WeightedSum(0.0, 1.0, values["temperature"])
    return _weighed(values["alpha"], 1 - values["alpha"], values["temperature"])


def _distillkit(values: Values, classes: int) -> WeightedSum:
    ce, kl = values["weight_cross_entropy"], values["weight_kl"]
    return _weighed(ce / (ce + kl), kl / (ce + kl), values["temperature"])


def _distilbert(values: Values, classes: int) -> WeightedSum:
    on_hidden_states = values["alpha_cos"] * (1 - values["cosine"])
    return _weighed(values["alpha_mlm"], values["alpha_ce"], values["temperature"], other=on_hidden_states)


_JSD = r"\beta\,\mathrm{KL}(p\|M) + (1-\beta)\,\mathrm{KL}(q\|M)"
_KL = r"\mathrm{KL}"
_CE = r"\mathrm{CE}"
_KERAS_EXAMPLE = "keras-team/keras-io, examples/vision/knowledge_distillation.py"
_TUTORIAL = "pytorch/tutorials, beginner_source/knowledge_distillation_tutorial.py"
_KERAS = (
    "keras-team/keras, keras/src/distillation/distiller.py and distillation_loss.py, release 3.15.1 "
    "(3.12.0 reads the same)"
)
_KERAS_PARAMETERS = (
    Parameter("student_loss_weight", "Weight of the student's own loss; the soft term has the rest.", 0.5),
    _temperature("temperature", 3.0),
)
_TUTORIAL_PARAMETERS = (
    Parameter(
        "soft_target_loss_weight", "Weight of the soft term.", 0.25, default_from="the tutorial's call"
    ),
    Parameter("ce_loss_weight", "Weight of cross-entropy.", 0.75, default_from="the tutorial's call"),
    _temperature("T", 2.0, "the tutorial's call"),
)
_ALPHA_ON_CE = "Weight of the student's cross-entropy; the soft term has 1 − alpha."
_ALPHA_ON_KD = "Weight of the soft term; cross-entropy has 1 − alpha."

_ENTRIES = (
    Convention(
        name="keras_example",
        title="Keras example",
        parameters=(Parameter("alpha", _ALPHA_ON_CE, 0.1), _temperature("temperature", 3.0)),
        supervised=rf"\mathtt{{alpha}}\cdot {_CE}",
        distillation=rf"(1-\mathtt{{alpha}})\cdot T^2\,{_KL}",
        citation=f"{_KERAS_EXAMPLE}, commit 501fb4c (T² since its issue 869 of May 2022)",
        claim="Its alpha is on the side of the labels. The example itself calls it with temperature 10. Keras cuts "
        "probabilities below 1e-7 to it, the teacher's and the student's.",
        alpha_weighs="cross-entropy",
        t_squared=True,
        reduction="mean over the batch",
        tested_against="its formula",
        weighted_sum=lambda v, k: _weighed(v["alpha"], 1 - v["alpha"], v["temperature"], cut=True),
        settings=lambda t, w, k: {"alpha": 1 - w, "temperature": t},
        alpha="alpha",
    ),
    Convention(
        name="keras_example_2020",
        title="Keras example, first versions",
        parameters=(Parameter("alpha", _ALPHA_ON_CE, 0.1, step=0.001), _temperature("temperature", 3.0)),
        supervised=rf"\mathtt{{alpha}}\cdot {_CE}",
        distillation=rf"(1-\mathtt{{alpha}})\,{_KL}",
        citation=f"{_KERAS_EXAMPLE}, commit 1da2fde (September 2020)",
        claim="Without T² the soft term fades as 1/T²; its author left it out for simplicity. The first version also "
        "swapped teacher and student. Keras cuts probabilities below 1e-7 to it.",
        alpha_weighs="cross-entropy",
        t_squared=False,
        reduction="mean over the batch",
        tested_against="its formula",
        weighted_sum=lambda v, k: WeightedSum(v["alpha"], 1 - v["alpha"], v["temperature"], cut=True),
        settings=lambda t, w, k: {"alpha": (1 - w) / (1 - w + w * t**2), "temperature": t},
        alpha="alpha",
    ),
    Convention(
        name="keras",
        title="Keras 3.15: Distiller",
        parameters=_KERAS_PARAMETERS,
        supervised=rf"s\cdot {_CE}",
        distillation=rf"(1-s)\cdot T^2\,{_KL}",
        citation=_KERAS,
        claim="With s = student_loss_weight, and LogitsDistillation(loss=keras.losses.KLDivergence()): its default is "
        "another loss, the next entry. KLDivergence cuts probabilities below 1e-7 to it, the teacher's and the student's.",
        alpha_weighs="cross-entropy",
        t_squared=True,
        reduction="mean over the batch",
        tested_against="the library where it is installed, its formula elsewhere",
        weighted_sum=lambda v, k: _weighed(
            v["student_loss_weight"], 1 - v["student_loss_weight"], v["temperature"], cut=True
        ),
        settings=lambda t, w, k: {"student_loss_weight": 1 - w, "temperature": t},
        alpha="student_loss_weight",
    ),
    Convention(
        name="keras_default",
        title="Keras 3.15: Distiller, by default",
        parameters=_KERAS_PARAMETERS,
        supervised=rf"s\cdot {_CE}",
        distillation=r"(1-s)\sum_k \hat z_t \log\tfrac{\hat z_t}{\hat z_s}",
        citation=_KERAS,
        claim='The default loss="kl_divergence" becomes a function, and only a KLDivergence object gets a softmax and '
        "T². So it compares raw logits, ẑ = z/T cut to 1e-7…1, which are no probabilities.",
        alpha_weighs="cross-entropy",
        t_squared=False,
        reduction="mean over the batch",
        tested_against="the library where it is installed, its formula elsewhere",
        weighted_sum=lambda v, k: WeightedSum(
            v["student_loss_weight"],
            1 - v["student_loss_weight"],
            v["temperature"],
            cut=True,
            without_softmax=True,
        ),
        settings=lambda t, w, k: None,
        alpha="student_loss_weight",
        why_not="It compares cut logits, not probabilities, so it changes when all logits move together (here the teacher's are centred): no kd_weight gives this loss.",
    ),
    Convention(
        name="torchdistill",
        title="torchdistill 1.1.5",
        parameters=(
            Parameter("alpha", _ALPHA_ON_CE, 0.5, default_from="its ImageNet sample"),
            _temperature("temperature", 1.0, "its ImageNet sample"),
        ),
        supervised=rf"\mathtt{{alpha}}\cdot {_CE}",
        distillation=rf"(1-\mathtt{{alpha}})\cdot T^2\,{_KL}",
        citation="yoshitomo-matsubara/torchdistill, torchdistill/losses/mid_level.py, KDLoss, release 1.1.5 "
        "(the same in 0.3.3 and 1.0.0)",
        claim="At alpha = 0 the bare KL comes back: both factors, 1 − alpha and T², are gone. Its alpha is None by "
        "default, which fails unless beta, the soft term's weight, is given too.",
        alpha_weighs="cross-entropy",
        t_squared=True,
        reduction="batchmean: sum over classes, mean over the batch",
        tested_against="the library where it is installed, its formula elsewhere",
        weighted_sum=_torchdistill,
        settings=lambda t, w, k: {"alpha": 1 - w, "temperature": t},
        alpha="alpha",
    ),
    Convention(
        name="repdistiller",
        title="RepDistiller",
        parameters=(
            Parameter(
                "gamma", "Weight of cross-entropy.", 0.1, high=2, default_from="its README; 1 in the code"
            ),
            Parameter(
                "alpha", "Weight of the soft term.", 0.9, high=2, default_from="its README; None in the code"
            ),
            _temperature("kd_T", 4.0),
        ),
        supervised=rf"\mathtt{{gamma}}\cdot {_CE}",
        distillation=rf"\mathtt{{alpha}}\cdot T^2\,{_KL}",
        citation="HobbitLong/RepDistiller, distiller_zoo/KD.py, helper/loops.py and train_student.py, commit 1143dfe",
        claim="Two free weights: forget gamma and it is 1, so the sum grows. Its beta weighs a third loss, on features, "
        "which is 0 for plain distillation.",
        alpha_weighs="distillation",
        t_squared=True,
        reduction="sum ÷ batch size",
        tested_against="its formula",
        weighted_sum=lambda v, k: _weighed(v["gamma"], v["alpha"], v["kd_T"]),
        settings=lambda t, w, k: {"gamma": 1 - w, "alpha": w, "kd_T": t},
        alpha="alpha",
    ),
    Convention(
        name="haitongli",
        title="knowledge-distillation-pytorch",
        parameters=(
            Parameter("alpha", _ALPHA_ON_KD, 0.9, step=0.001, default_from="its cnn_distill experiment"),
            _temperature("temperature", 20.0, "its cnn_distill experiment"),
        ),
        supervised=rf"(1-\mathtt{{alpha}})\,{_CE}",
        distillation=rf"\mathtt{{alpha}}\cdot T^2\,\tfrac1K\,{_KL}",
        citation="haitongli/knowledge-distillation-pytorch, model/net.py, loss_fn_kd, and "
        "experiments/cnn_distill/params.json, commits 862fcd8 and a4890a9",
        claim="KLDivLoss() averages over classes too, so the soft term is K times too small: its issue 48. Many projects "
        "copied the function.",
        alpha_weighs="distillation",
        t_squared=True,
        reduction="mean over batch and classes (÷ K)",
        tested_against="torch's KLDivLoss",
        weighted_sum=lambda v, k: _weighed(1 - v["alpha"], v["alpha"] / k, v["temperature"]),
        settings=lambda t, w, k: {"alpha": w * k / (1 - w + w * k), "temperature": t},
        alpha="alpha",
    ),
    Convention(
        name="pytorch_tutorial",
        title="PyTorch's tutorial",
        parameters=_TUTORIAL_PARAMETERS,
        supervised=rf"c\cdot {_CE}",
        distillation=rf"s\cdot T^2\,{_KL}",
        citation=f"{_TUTORIAL}, commit c53e7d4",
        claim="With s = soft_target_loss_weight and c = ce_loss_weight, free weights.",
        alpha_words="both, freely",
        t_squared=True,
        reduction="sum ÷ batch size",
        tested_against="its formula",
        weighted_sum=lambda v, k: _weighed(v["ce_loss_weight"], v["soft_target_loss_weight"], v["T"]),
        settings=lambda t, w, k: {"soft_target_loss_weight": w, "ce_loss_weight": 1 - w, "T": t},
        alpha="soft_target_loss_weight",
    ),
    Convention(
        name="pytorch_tutorial_2023",
        title="PyTorch's tutorial, first version",
        parameters=_TUTORIAL_PARAMETERS,
        supervised=rf"c\cdot {_CE}",
        distillation=rf"s\cdot T^2\,{_KL}",
        other=r"s\cdot T^2\,H(p_T)",
        other_words="teacher's entropy",
        citation=f"{_TUTORIAL}, commit 035c541 (2023)",
        claim="It had soft cross-entropy, −Σ p·log q, which is KL plus the teacher's entropy: the same gradient, but a "
        "floor above zero. The version that followed computes KL.",
        alpha_words="both, freely",
        t_squared=True,
        reduction="sum ÷ batch size",
        tested_against="its formula",
        weighted_sum=lambda v, k: _weighed(
            v["ce_loss_weight"], v["soft_target_loss_weight"], v["T"], entropy_too=True
        ),
        settings=lambda t, w, k: {"soft_target_loss_weight": w, "ce_loss_weight": 1 - w, "T": t},
        alpha="soft_target_loss_weight",
    ),
    Convention(
        name="distilbert",
        title="DistilBERT's code",
        parameters=(
            Parameter(
                "alpha_ce",
                "Weight of the soft term.",
                5.0,
                high=10,
                step=0.1,
                default_from="README; 0.5 in code",
            ),
            Parameter(
                "alpha_mlm",
                "Weight of cross-entropy.",
                2.0,
                high=10,
                step=0.1,
                default_from="README; 0 in code",
            ),
            Parameter(
                "alpha_cos", "Weight of 1 − cos.", 1.0, high=10, step=0.1, default_from="README; 0 in code"
            ),
            _temperature("temperature", 2.0),
            Parameter(
                "cosine",
                "Not a setting: this example has no hidden states, so suppose how alike they are.",
                0.9,
                low=-1.0,
                default_from="supposed here",
            ),
        ),
        supervised=rf"\mathtt{{alpha\_mlm}}\cdot {_CE}",
        distillation=rf"\mathtt{{alpha\_ce}}\cdot T^2\,{_KL}",
        other=r"\mathtt{alpha\_cos}\cdot (1-\cos)",
        other_words="term on hidden states",
        citation="huggingface/transformers, examples/research_projects/distillation/distiller.py and train.py, "
        "commits 1607444 and 04591da",
        claim="Free weights that need not sum to one. Its “ce” is the soft term: a KL. The cosine is of hidden states. "
        "CE counts masked words only, KL every word.",
        alpha_weighs="distillation",
        alpha_words="alpha_ce: distillation",
        t_squared=True,
        reduction="mean over words, padding left out",
        tested_against="its formula",
        weighted_sum=_distilbert,
        settings=lambda t, w, k: {"alpha_ce": w, "alpha_mlm": 1 - w, "alpha_cos": 0.0, "temperature": t},
        alpha="alpha_ce",
    ),
    Convention(
        name="distillkit",
        title="DistillKit, since 2025",
        parameters=(
            Parameter("weight_cross_entropy", "weight of the cross_entropy entry.", 0.5, low=0.01, high=2),
            Parameter("weight_kl", "weight of the kl entry.", 0.5, low=0.01, high=2),
            _temperature("temperature", 1.0),
        ),
        supervised=rf"\tfrac{{c}}{{c+s}}\cdot {_CE}",
        distillation=rf"\tfrac{{s}}{{c+s}}\cdot T^2\,{_KL}",
        citation="arcee-ai/DistillKit, distillkit/trainer.py, lossfuncs/kl.py and configuration.py, commit b8ed189 (2025)",
        claim="With c and s the weights of cross_entropy and kl. They are divided by their sum: 1 and 1 are the same as "
        "0.5 and 0.5.",
        alpha_words="both, ÷ their sum",
        t_squared=True,
        reduction="sum ÷ number of unmasked tokens",
        tested_against="its formula",
        weighted_sum=_distillkit,
        settings=lambda t, w, k: (
            {"weight_cross_entropy": 1 - w, "weight_kl": w, "temperature": t} if 0.01 <= w <= 0.99 else None
        ),
        alpha="weight_kl",
    ),
    Convention(
        name="distillkit_2024",
        title="DistillKit's script, 2024",
        parameters=(Parameter("alpha", _ALPHA_ON_KD, 0.5), _temperature("temperature", 2.0)),
        supervised=rf"(1-\mathtt{{alpha}})\,{_CE}",
        distillation=rf"\mathtt{{alpha}}\cdot T^2\,{_KL}",
        citation="arcee-ai/DistillKit, distil_logits.py, commits 4b42daa and 09fbb0c",
        claim="Its KL is divided by max_length (4096), padding counted, while CE is a mean over real tokens. The numbers "
        "here are those of a full row without padding.",
        alpha_weighs="distillation",
        t_squared=True,
        reduction="sum ÷ (batch size × max_length)",
        tested_against="its formula",
        weighted_sum=lambda v, k: _weighed(1 - v["alpha"], v["alpha"], v["temperature"]),
        settings=lambda t, w, k: {"alpha": w, "temperature": t},
        alpha="alpha",
    ),
    Convention(
        name="trl_gkd",
        title="TRL 1.16: GKD",
        parameters=(
            Parameter("beta", "0: forward KL, 1: reverse KL, between: Jensen–Shannon.", 0.5),
            Parameter("temperature", "Of sampling: the loss never reads it.", 0.9, 0.1, 2, in_loss=False),
            Parameter("lmbda", "Share of batches that the student writes itself.", 0.5, in_loss=False),
        ),
        supervised="",
        distillation=_JSD,
        why_not="At this beta it is no forward KL: no kd_weight gives this loss.",
        citation="huggingface/trl, trl/experimental/gkd/gkd_trainer.py, release 1.16.0",
        claim="M = βp + (1 − β)q. No cross-entropy, no T². Both ends of beta are special cases, so the loss jumps there. Earlier releases had "
        "a fused path that did read temperature; 1.16.0 has none.",
        alpha_words="there is none",
        t_squared=False,
        reduction="sum ÷ number of unmasked tokens",
        tested_against="the library",
        weighted_sum=lambda v, k: WeightedSum(0.0, 1.0, 1.0, v["beta"]),
        settings=lambda t, w, k: (
            {"beta": 0.0, "temperature": 0.9, "lmbda": 0.5} if w == 1 and t == 1 else None
        ),
    ),
    Convention(
        name="trl_distillation",
        title="TRL 1.16: DistillationTrainer",
        parameters=(
            Parameter("beta", "0: forward KL, 1: reverse KL, between: Jensen–Shannon.", 1.0),
            _temperature("temperature", 1.0, what="Of sampling and of the loss."),
        ),
        supervised="",
        distillation=_JSD,
        why_not="At this beta it is no forward KL: no kd_weight gives this loss.",
        citation="huggingface/trl, trl/trainer/distillation_trainer.py, release 1.16.0",
        claim="The temperature softens both sides, but there is no T²: the gradient fades as T rises. By default reverse "
        "KL.",
        alpha_words="there is none",
        t_squared=False,
        reduction="sum ÷ number of unmasked tokens",
        tested_against="the library",
        weighted_sum=lambda v, k: WeightedSum(0.0, 1.0, v["temperature"], v["beta"]),
        settings=lambda t, w, k: {"beta": 0.0, "temperature": t} if w == 1 else None,
    ),
)

CONVENTIONS: dict[str, Convention] = {entry.name: entry for entry in _ENTRIES}
"""By name, in the order of the page's table."""
