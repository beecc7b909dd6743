"""The main experiment on scikit-learn's digits: under a minute on two cores, no download."""

from ml_collections import ConfigDict, config_dict


def get_config() -> ConfigDict:
    """Every setting of the divergence experiment. Sizes and rates can be changed by `--config.key=value`."""
    return ConfigDict(
        {
            "name": "digits",
            "experiment": "divergence",  # and others, which take other settings: each has a config of its own
            "seed": 0,  # streams for init, schedule, perturbation and tangents are derived from it
            "data": _data(),
            "model": _model(),
            "loss": config_dict.placeholder(str),  # cross_entropy, squared_error; None: what the data ask for
            "optimizer": _optimizer(),
            "perturbation": {
                "kind": "sphere",  # sphere: relative, on the sphere of the weights; gaussian: absolute
                "per_leaf": True,  # each tensor by itself, or all weights as one vector
                "epsilons": (1e-4, 1e-3, 1e-2, 1e-1, 1.0),
                "num_seeds": 8,  # directions; each is used at every epsilon
            },
            "precision": "float32",  # float32, tf32 (on GPUs that have it), bfloat16 (mixed precision), float64
            "checks": False,  # where a loss stops being finite, replay it, tell the operation and end
            "num_steps": 2000,
            "measure": _measure(),
            "observables": config_dict.placeholder(str),  # your own, beside the experiment's: module:function,...
            "num_devices": config_dict.placeholder(int),  # of each process; None: all, or a CPU's cores
            "member_tile": "auto",  # members that advance together on a device: a number, all, or auto
            "memory_gib": config_dict.placeholder(float),  # that each device may use; None: what it has
            "chunk_length": config_dict.placeholder(int),  # steps a compiled call; None: about 200
            "checkpoint_every": 500,  # steps, rounded up to whole chunks
        }
    )


def _data() -> dict:
    """What is learned."""
    return {
        # digits, gaussian_mixture, moons, spirals, slabs, induction, teacher_student; mnist, cifar10,
        # imdb_reviews or any other images or texts of TensorFlow Datasets; text (any file's next character),
        # jsonl (texts with labels)
        "name": "digits",
        "data_dir": config_dict.placeholder(str),  # of prepared sets (None: ~/tensorflow_datasets), or the file
        "batch_size": 64,
        "num_train": config_dict.placeholder(int),  # examples, drawn at random; None: all
        "num_test": config_dict.placeholder(int),
        "balanced": False,  # whether as many of each class are for training
        "standardize": False,  # whether inputs are given mean 0 and variance 1
        "seed": 0,  # of what is drawn of them
        "image_size": config_dict.placeholder(int),  # of the side, in pixels; None: as they are
        "level": "character",  # of a text: character, byte
        "context": 64,  # characters or tokens that are seen at once (text, induction)
        "max_length": 64,  # words of a text that has a label
        "vocabulary_size": config_dict.placeholder(int),  # words known; None: 10,000 (induction: the context)
        "sha256": config_dict.placeholder(str),  # of the arrays, as manifest.json has it; None: any
    }


def _model() -> dict:
    """The network."""
    return {
        "name": "mlp",  # mlp, cnn, resnet, vit, text_classifier, transformer
        "widths": (128,),  # of hidden layers; of a cnn's convolutions, a resnet's stages, blocks of the others
        "activation": "tanh",  # try relu: its kinks are what the tangent cannot see
        "initializer": "kaiming_sphere",  # kaiming_sphere, kaiming_normal, lecun_normal, orthogonal
        "bias_initializer": "kaiming_sphere",  # these, and zeros
        "parametrization": "standard",  # standard, ntk, mup, family: what changes with the width
        "family": 0.5,  # of parametrization "family": from 0 (as ntk) to 1 (as mup)
        "base_width": 64,  # where all parametrizations are the standard one
        "num_heads": 4,  # of attention (vit, transformer)
        "hidden": True,  # whether a transformer's blocks have dense layers
        "patch_size": 4,  # pixels (vit)
        "blocks": 1,  # in each stage (resnet)
        "norm": "group",  # layer, group (resnet)
        "strides": 1,  # of all convolutions but the first (cnn)
        "flatten": False,  # whether the logits see every place of the image, or their mean (cnn)
    }


def _optimizer() -> dict:
    """How it is trained."""
    return {
        "name": "sgd",  # sgd, adam, adamw, rmsprop, nesterov, lion, muon
        "learning_rate": 0.1,
        "schedule": "constant",  # of the learning rate: constant, cosine, linear (both to 0 at num_steps)
        "warmup_steps": 0,  # in which it rises from 0, linearly
        # None: not passed to the optimizer
        "momentum": config_dict.placeholder(float),
        "b1": config_dict.placeholder(float),
        "b2": config_dict.placeholder(float),
        "beta": config_dict.placeholder(float),
        "decay": config_dict.placeholder(float),
        "weight_decay": config_dict.placeholder(float),
    }


def _measure() -> dict:
    """Steps between records; each divides the next."""
    return {
        "distance_every": 1,
        "tangent_every": 10,  # also between orthonormalizations
        "correlation_every": 10,
        "evaluation_every": 50,
        "num_tangents": 2,  # leading Lyapunov exponents
        "anchors": (
            0,
            100,
            500,
        ),  # steps with which the weights are correlated later; those never reached are left out
        "max_train_examples": 10_000,  # of the training set, for the training loss
    }
