"""The settings of the data set, the network and the optimizer."""

from typing import Annotated

from pydantic import ConfigDict, Field

from pathjax.experiments.runner.settings.base import Count, FiniteFloat, Group, WholeNumber, WholeNumbers, setting

Rate = FiniteFloat | None


Share = Annotated[float, Field(ge=0, le=1)]
NotNegativeFloat = Annotated[FiniteFloat, Field(ge=0)]


class SideSettings(Group):
    """One side of dominoes."""

    source: str = setting("data set of images: digits, gratings, mnist, fashion_mnist, cifar10 or others")
    data_dir: str | None = setting("folder of the set", default=None)
    prevalence: Share = setting("share of dominoes that show this side", default=1.0)
    reliability: Share = setting(
        "share of these in which it shows the class of the domino, not a wrong one", default=1.0
    )
    blur: NotNegativeFloat = setting("standard deviation of a Gaussian blur, in pixels", default=0.0)
    resolution: Count | None = setting("pixels to which a side of the image is reduced; None: all", default=None)
    contrast: NotNegativeFloat = setting("factor of the pixels, whose background is 0", default=1.0)
    noise: NotNegativeFloat = setting("standard deviation of normal noise in each pixel", default=0.0)


class DominoSettings(Group):
    """Dominoes: two images in one, m above c."""

    m: SideSettings = SideSettings(source="digits")
    c: SideSettings = SideSettings(source="gratings")
    both: Share | None = setting(
        "share of dominoes with both sides; None: the product of the prevalences", default=None
    )
    num_classes: Count | None = setting(
        "classes, the first ones of both sets; None: as many as both have", default=None
    )
    label_noise: Share = setting("share of training labels that are wrong", default=0.0)


class DataSettings(Group):
    """The data set."""

    name: str = setting(
        "digits, gaussian_mixture, moons, circles, spirals, xor, slabs, gratings, induction, teacher_student, "
        "modular_addition, dominoes; mnist, cifar10, imdb_reviews or any other image or text set of TensorFlow "
        "Datasets; text (the next character of any file), jsonl (texts with labels); npz, npy, csv, parquet, "
        "huggingface (files of your own, docs/data.md); or your own, `module:function(data_dir) -> Dataset`",
        "dataset",
        "data",
        "task",
    )
    data_dir: str | None = setting(
        "folder of prepared data sets (None: ~/tensorflow_datasets), or a file or folder of your own",
        "path",
        "folder",
        "dir",
    )
    batch_size: Count | None = setting(
        "examples per step; None: the whole training set, in its order", "batch", "bs", "minibatch_size"
    )
    num_train: WholeNumber | None = setting("training examples, drawn at random; None: all", "train_size")
    num_test: WholeNumber | None = setting("test examples, drawn at random; None: all", "test_size")
    balanced: bool = setting("whether the training set has the same number of examples of each class")
    label_noise: Share = setting("share of training labels that are replaced by another class", default=0.0)
    standardize: bool = setting("whether inputs are scaled to mean 0 and variance 1", "normalize", "whiten")
    seed: Annotated[int, Field(ge=0, lt=2**32)] = setting("seed of all random draws of the data set", "data_seed")
    image_size: WholeNumber | None = setting("side of an image in pixels; None: unchanged", "resolution")
    level: str = setting("tokens of a text: character, byte")
    context: WholeNumber = setting("length of a sequence in tokens (text, induction)", "seq_len")
    max_length: WholeNumber = setting("largest number of words of a labeled text")
    vocabulary_size: WholeNumber | None = setting(
        "size of the vocabulary; None: 10,000 (induction: the context)", "vocab_size"
    )
    label: str | None = setting(
        "column with the labels (csv, parquet, huggingface); None: label, labels, target, y or class",
        "target",
        "label_column",
        default=None,
    )
    stream: bool = setting(
        "whether the training set stays in its files, read chunk by chunk (npy, huggingface, TensorFlow Datasets)",
        "streaming",
        "lazy",
        "mmap",
        default=False,
    )
    sha256: str | None = setting("expected SHA-256 of the arrays, as in manifest.json; None: any", "digest", "checksum")
    dominoes: DominoSettings = DominoSettings()


class ModelSettings(Group):
    """The network."""

    name: str = setting(
        "mlp, cnn, resnet, vit, text_classifier, transformer; or your own, `module:function(model, input_shape, "
        "num_classes) -> network` with Flax's `init` and `apply`; if it has a state or draws noise, also with "
        "`apply_in_training` (docs/recipes.md, In a config)",
        "network",
        "model",
        "architecture",
        "arch",
    )
    widths: WholeNumbers = setting(
        "widths of hidden layers; of a cnn's convolutions, a resnet's stages, or the blocks of other networks",
        "width",
        "hidden_sizes",
        "layers",
        "units",
        "channels",
        "depth",
    )
    activation: str = setting(
        "relu, tanh, gelu and others; leaky_relu(SLOPE), smelu(BETA), softplus(SHARPNESS); a tangent does not see the "
        "kinks of relu",
        "nonlinearity",
    )
    initializer: str = setting(
        "kaiming_sphere, kaiming_normal, lecun_normal, orthogonal, pytorch_default", "init", "kernel_init"
    )
    bias_initializer: str = setting("any of the initializers, or zeros", "bias_init")
    parametrization: str = setting("standard, ntk, mup, family: how training scales with the width", "mup")
    family: FiniteFloat = setting("position in parametrization family, from 0 (ntk) to 1 (mup)")
    base_width: Count = setting("width at which all parametrizations equal the standard one")
    num_heads: Count = setting("number of attention heads (vit, transformer)", "heads")
    hidden: bool = setting("whether a transformer's blocks have dense layers")
    patch_size: Count = setting("side of a patch in pixels (vit)", "patch")
    blocks: Count = setting("blocks in each stage (resnet)")
    norm: str = setting("normalization: layer, group (resnet)", "normalization")
    strides: Count = setting("strides of all convolutions but the first (cnn)", "stride")
    flatten: bool = setting("whether logits see all positions of the image, or their mean (cnn)")
    log_odds: bool = setting(
        "whether a network for two classes has one output, the log odds of the second, instead of two logits",
        "one_output",
        default=False,
    )


class OptimizerSettings(Group):
    """The optimizer. Your own optimizer may have hyperparameters with other names."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Rate] = Field(init=False)

    name: str = setting(
        "sgd, adam, adamw, rmsprop, nesterov, lion, muon; or your own, `module:function(hparams) -> optax optimizer`",
        "optimizer",
        "opt",
    )
    learning_rate: Rate = setting("step size", "lr", "rate", "eta", "step_size", "alpha")
    schedule: str = setting("learning-rate schedule: constant, cosine, linear (both to 0 at num_steps)", "lr_schedule")
    warmup_steps: WholeNumber = setting("steps in which the learning rate rises linearly from 0", "warmup")
    momentum: Rate = setting("momentum of sgd and nesterov; None (here and below): not passed to the optimizer", "mu")
    b1: Rate = setting("decay of the first moment of adam, adamw and lion", "beta1", "beta_1")
    b2: Rate = setting("decay of the second moment of adam, adamw and lion", "beta2", "beta_2")
    beta: Rate = setting("momentum of muon")
    decay: Rate = setting("decay of the second moment of rmsprop", "rho")
    weight_decay: Rate = setting("weight decay of sgd, adamw, lion and muon", "wd", "l2", "regularization")
    decay_on: str | None = setting(
        "regular expression, searched for in the names of leaves: the weight decay of sgd, adamw and lion acts only on "
        "those that match; None: on all",
        "mask",
        default=None,
    )
    clip_norm: Rate = setting("2-norm to which gradients are clipped; None: not clipped", "grad_clip", default=None)
    clip_value: Rate = setting("largest absolute value of a gradient's elements; None: not clipped", default=None)
    before: str | None = setting(
        "your own gradient transformations, between clipping and the optimizer: a comma-separated list of "
        "`module:function(hparams) -> optax transformation`",
        "chain",
        default=None,
    )


class RegularizationSettings(Group):
    """The regularizers of the loss. Their strengths are hyperparameters, as those of the optimizer are."""

    l1: Rate = setting("strength of the sum of absolute weights, added to the loss; None: not added", default=None)
    l2: Rate = setting("strength of half the sum of squared weights; None: not added", default=None)
    tilt: Rate = setting(
        "strength of the sum of weights with fixed random signs: l1's force in a random direction; None: not added",
        default=None,
    )
    label_smoothing: Rate = setting(
        "share of a label that all classes get in equal parts (loss cross_entropy); None: not smoothed",
        "smoothing",
        default=None,
    )
    penalized: str | None = setting(
        "regular expression, searched for in the names of leaves: l1, l2 and tilt are of those that match; None: all",
        default=None,
    )
