"""What is learned, by which network, with which optimizer."""

from typing import Annotated

from pydantic import ConfigDict, Field

from pathjax.experiments.runner.settings.base import Count, FiniteFloat, Group, WholeNumber, WholeNumbers, setting

Rate = FiniteFloat | None


class DataSettings(Group):
    """What is learned."""

    name: str = setting(
        "digits, gaussian_mixture, moons, spirals, slabs, induction, teacher_student; mnist, cifar10, imdb_reviews or "
        "any other images or texts of TensorFlow Datasets; text (any file's next character), jsonl (texts with "
        "labels); or your own, `module:function(data_dir) -> Dataset`",
        "dataset",
        "data",
        "task",
    )
    data_dir: str | None = setting(
        "folder of prepared sets (None: ~/tensorflow_datasets), or the file of texts", "path", "folder", "dir"
    )
    batch_size: WholeNumber = setting("examples a step", "batch", "bs", "minibatch_size")
    num_train: WholeNumber | None = setting("examples for training, drawn at random; None: all", "train_size")
    num_test: WholeNumber | None = setting("examples for testing, drawn at random; None: all", "test_size")
    balanced: bool = setting("whether as many of each class are for training")
    standardize: bool = setting("whether inputs are given mean 0 and variance 1", "normalize", "whiten")
    seed: Annotated[int, Field(ge=0, lt=2**32)] = setting("of what is drawn of them", "data_seed")
    image_size: WholeNumber | None = setting("pixels of an image's side; None: as they are", "resolution")
    level: str = setting("of a text: character, byte")
    context: WholeNumber = setting("characters or tokens that are seen at once (text, induction)", "seq_len")
    max_length: WholeNumber = setting("words of a text that has a label")
    vocabulary_size: WholeNumber | None = setting("words known; None: 10,000 (induction: the context)", "vocab_size")
    sha256: str | None = setting("of the arrays, as manifest.json has it; None: any", "digest", "checksum")


class ModelSettings(Group):
    """The network."""

    name: str = setting(
        "mlp, cnn, resnet, vit, text_classifier, transformer; or your own, `module:function(model, input_shape, "
        "num_classes) -> network` with Flax's `init` and `apply`",
        "network",
        "model",
        "architecture",
        "arch",
    )
    widths: WholeNumbers = setting(
        "of hidden layers; of a cnn's convolutions, a resnet's stages, blocks of the others",
        "width",
        "hidden_sizes",
        "layers",
        "units",
        "channels",
        "depth",
    )
    activation: str = setting("relu, tanh, gelu and others; kinks are what the tangent cannot see", "nonlinearity")
    initializer: str = setting("kaiming_sphere, kaiming_normal, lecun_normal, orthogonal", "init", "kernel_init")
    bias_initializer: str = setting("these, and zeros", "bias_init")
    parametrization: str = setting("standard, ntk, mup, family: what changes with the width", "mup")
    family: FiniteFloat = setting("of parametrization family: from 0 (as ntk) to 1 (as mup)")
    base_width: Count = setting("where all parametrizations are the standard one")
    num_heads: Count = setting("of attention (vit, transformer)", "heads")
    hidden: bool = setting("whether a transformer's blocks have dense layers")
    patch_size: Count = setting("pixels (vit)", "patch")
    blocks: Count = setting("in each stage (resnet)")
    norm: str = setting("layer, group (resnet)", "normalization")
    strides: Count = setting("of all convolutions but the first (cnn)", "stride")
    flatten: bool = setting("whether logits see every place of the image, or their mean (cnn)")


class OptimizerSettings(Group):
    """How it is trained. An optimizer of your own may have hyperparameters of other names."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Rate] = Field(init=False)

    name: str = setting(
        "sgd, adam, adamw, rmsprop, nesterov, lion, muon; or your own, `module:function(hparams) -> optax optimizer`",
        "optimizer",
        "opt",
    )
    learning_rate: Rate = setting("step size", "lr", "rate", "eta", "step_size", "alpha")
    schedule: str = setting("of the learning rate: constant, cosine, linear (both to 0 at num_steps)", "lr_schedule")
    warmup_steps: WholeNumber = setting("in which the learning rate rises from 0, linearly", "warmup")
    momentum: Rate = setting("of sgd and nesterov; None: not passed to the optimizer, as the ones below", "mu")
    b1: Rate = setting("decay of adam's, adamw's and lion's first moment", "beta1", "beta_1")
    b2: Rate = setting("decay of adam's, adamw's and lion's second moment", "beta2", "beta_2")
    beta: Rate = setting("momentum of muon")
    decay: Rate = setting("decay of rmsprop's second moment", "rho")
    weight_decay: Rate = setting("of sgd, adamw, lion and muon", "wd", "l2", "regularization")
