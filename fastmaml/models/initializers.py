"""Initial weights by name, a function of the seed and the layer.

With n inputs and m outputs of a layer, and a scale s:

- ``zeros``;
- ``normal``: N(0, s^2);
- ``truncated_normal``: N(0, s^2), cut off at two standard deviations;
- ``glorot_uniform``: uniform up to ``s sqrt(6 / (n + m))`` (X. Glorot and Y. Bengio, 2010, equation 16);
- ``he_normal``: N(0, 2 s^2 / n) (K. He, X. Zhang, S. Ren, J. Sun, 2015, equation 10).
"""

from __future__ import annotations

import numpy as np

INITIALIZERS = ("zeros", "normal", "truncated_normal", "glorot_uniform", "he_normal")
# Where `truncated_normal` is cut off, in standard deviations.
CUT = 2.0


def initial_weights(
    initializer: str, scale: float, inputs: int, outputs: int, seed: int, layer: int
) -> np.ndarray:
    """Return the initial weights (inputs * outputs,) of a layer, float64.

    The words of NumPy's Philox generator, whose stream is fixed, with the seed and the layer for its key,
    made uniform in (0, 1) and sent through the inverse of the distribution function.
    """
    count = inputs * outputs
    if initializer == "zeros":
        return np.zeros(count)
    words = np.random.Philox(key=[seed, layer]).random_raw(count)
    uniforms = ((words >> np.uint64(11)) + 0.5) * 2.0**-53
    if initializer == "glorot_uniform":
        return scale * np.sqrt(6.0 / (inputs + outputs)) * (2.0 * uniforms - 1.0)
    from scipy.special import ndtr, ndtri  # A tenth of a second to load, for normals alone.

    if initializer == "truncated_normal":
        uniforms = ndtr(-CUT) + uniforms * (ndtr(CUT) - ndtr(-CUT))
    if initializer == "he_normal":
        scale *= np.sqrt(2.0 / inputs)
    weights: np.ndarray = scale * ndtri(uniforms)
    return weights
