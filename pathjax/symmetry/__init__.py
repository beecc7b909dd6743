"""Symmetries of networks: different weights that compute the same function."""

from pathjax.symmetry.infer import infer_spec
from pathjax.symmetry.invariance import invariance_error
from pathjax.symmetry.matching import Matching, group_activations, match_activations, match_weights
from pathjax.symmetry.scale import ScaleSpec, balance, infer_scales, rescale
from pathjax.symmetry.spec import PermutationSpec, identity, inverse, permutation_spec, permute, random_permutation

__all__ = [
    "Matching",
    "PermutationSpec",
    "ScaleSpec",
    "balance",
    "group_activations",
    "identity",
    "infer_scales",
    "infer_spec",
    "invariance_error",
    "inverse",
    "match_activations",
    "match_weights",
    "permutation_spec",
    "permute",
    "random_permutation",
    "rescale",
]
