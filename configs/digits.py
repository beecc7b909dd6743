"""The main experiment, on scikit-learn's digits: less than a minute on two cores, no download."""

from ml_collections import ConfigDict, config_dict


def get_config() -> ConfigDict:
    """Returns every setting of the divergence experiment. A flag `--config.key=value` changes any of them."""
    return ConfigDict(
        {
            "name": "digits",
            "experiment": "divergence",  # other experiments have other settings, and their own configs
            "seed": 0,  # of the random streams for init, schedule, perturbation and tangents
            "data": _data(),
            "model": _model(),
            "loss": config_dict.placeholder(str),  # cross_entropy, squared_error; None: the default of the data
            "optimizer": _optimizer(),
            "regularization": _regularization(),
            "windows": {},  # {"l1": (1e-3, 0, 100)}: a hyperparameter's value from one step until another
            "arms": {},  # {"nudged": {"l1": (1e-3, 0, 100)}}: members with other hyperparameters
            "perturbation": {
                "kind": "sphere",  # sphere (relative, on the sphere of the weights) or gaussian (absolute)
                "per_leaf": True,  # each tensor separately, or all weights as one vector
                "epsilons": (1e-4, 1e-3, 1e-2, 1e-1, 1.0),
                "num_seeds": 8,  # directions; each is used at every epsilon
                "noise": "shared",  # of a network that draws noise in training: shared by all members, or own
                "num_noise_members": 0,  # members that differ from the baseline only in their own noise
            },
            "precision": "float32",  # float32, tf32 (on GPUs that support it), bfloat16 (mixed precision), float64
            "checks": False,  # if a loss becomes NaN or infinite, replay it, report the operation and end
            "num_steps": 2000,
            "measure": _measure(),
            "observables": config_dict.placeholder(str),  # your own, added to the experiment's: module:function,...
            "num_devices": config_dict.placeholder(int),  # of each process; None: all (on a CPU, its cores)
            "member_tile": "auto",  # members that advance together on a device: a positive integer, auto or all
            "memory_gib": config_dict.placeholder(float),  # that each device may use; None: all its memory
            "chunk_length": config_dict.placeholder(int),  # steps per compiled call; None: about 200
            "checkpoint_every": 500,  # steps, rounded up to a multiple of chunks
        }
    )


def _data() -> dict:
    """Returns the settings of the data set."""
    return {
        # digits, gaussian_mixture, moons, circles, spirals, xor, slabs, gratings, induction, teacher_student,
        # modular_addition, dominoes; mnist, cifar10, imdb_reviews or any other image or text set of TensorFlow
        # Datasets; text (the next character of any file), jsonl (texts with labels); npz, npy, csv, parquet,
        # huggingface (your own files); or your own, module:function
        "name": "digits",
        "data_dir": config_dict.placeholder(str),  # prepared data sets (None: ~/tensorflow_datasets); or your own files
        "batch_size": config_dict.FieldReference(64, field_type=int),  # None: the whole training set
        "num_train": config_dict.placeholder(int),  # training examples, drawn at random; None: all
        "num_test": config_dict.placeholder(int),
        "balanced": False,  # whether the training set has the same number of examples of each class
        "label_noise": 0.0,  # share of training labels that are replaced by another class
        "standardize": False,  # whether inputs are scaled to mean 0 and variance 1
        "seed": 0,  # of all random draws of the data set
        "image_size": config_dict.placeholder(int),  # side in pixels; None: unchanged
        "level": "character",  # tokens of a text: character, byte
        "context": 64,  # length of a sequence in tokens (text, induction)
        "max_length": 64,  # largest number of words of a labeled text
        "vocabulary_size": config_dict.placeholder(int),  # None: 10,000 (induction: the context)
        "label": config_dict.placeholder(str),  # column with the labels (csv, parquet, huggingface); None: a usual name
        "stream": False,  # whether the training set stays in its files (npy, huggingface, TensorFlow Datasets)
        "sha256": config_dict.placeholder(str),  # expected of the arrays, as in manifest.json; None: any
    }


def _model() -> dict:
    """Returns the settings of the network."""
    return {
        "name": "mlp",  # mlp, cnn, resnet, vit, text_classifier, transformer
        "widths": (128,),  # of hidden layers; of a cnn's convolutions, a resnet's stages, or other networks' blocks
        "activation": "tanh",  # try relu, whose kinks a tangent does not see
        "initializer": "kaiming_sphere",  # kaiming_sphere, kaiming_normal, lecun_normal, orthogonal, pytorch_default
        "bias_initializer": "kaiming_sphere",  # any of the initializers, or zeros
        "parametrization": "standard",  # standard, ntk, mup, family: how training scales with the width
        "family": 0.5,  # position in parametrization "family", from 0 (ntk) to 1 (mup)
        "base_width": 64,  # at which all parametrizations equal the standard one
        "num_heads": 4,  # of attention (vit, transformer)
        "hidden": True,  # whether a transformer's blocks have dense layers
        "patch_size": 4,  # side in pixels (vit)
        "blocks": 1,  # in each stage (resnet)
        "norm": "group",  # layer, group (resnet)
        "strides": 1,  # of all convolutions but the first (cnn)
        "flatten": False,  # whether the logits see all positions of the image, or their mean (cnn)
        "log_odds": False,  # whether a network for two classes has one output, in place of two logits
    }


def _optimizer() -> dict:
    """Returns the settings of the optimizer."""
    return {
        "name": "sgd",  # sgd, adam, adamw, rmsprop, nesterov, lion, muon
        "learning_rate": 0.1,
        "schedule": "constant",  # of the learning rate: constant, cosine, linear (both to 0 at num_steps)
        "warmup_steps": 0,  # in which the learning rate rises linearly from 0
        # None: not passed to the optimizer
        "momentum": config_dict.placeholder(float),
        "b1": config_dict.placeholder(float),
        "b2": config_dict.placeholder(float),
        "beta": config_dict.placeholder(float),
        "decay": config_dict.placeholder(float),
        "weight_decay": config_dict.placeholder(float),
        "decay_on": config_dict.placeholder(str),  # regular expression of the leaves that decay; None: all
        "clip_norm": config_dict.placeholder(float),  # of gradients; None: not clipped
        "clip_value": config_dict.placeholder(float),  # of each element
        "before": config_dict.placeholder(str),  # your own transformations of gradients: module:function,...
    }


def _regularization() -> dict:
    """Returns the strengths of the loss's regularizers; None: not used."""
    return {
        "l1": config_dict.placeholder(float),  # of the sum of absolute weights
        "l2": config_dict.placeholder(float),  # of half the sum of squares
        "tilt": config_dict.placeholder(float),  # of the sum of weights with random signs
        "label_smoothing": config_dict.placeholder(float),
        "penalized": config_dict.placeholder(str),  # regular expression of the leaves of l1, l2 and tilt; None: all
    }


def _measure() -> dict:
    """Returns the cadences of records, in steps; each divides the next."""
    return {
        "distance_every": 1,
        "tangent_every": 10,  # also of orthonormalizations
        "correlation_every": 10,
        "evaluation_every": 50,
        "num_tangents": 2,  # leading Lyapunov exponents
        "anchors": (
            0,
            100,
            500,
        ),  # steps whose weights are correlated with later weights; anchors beyond num_steps are ignored
        "max_train_examples": 10_000,  # for the training loss
    }
