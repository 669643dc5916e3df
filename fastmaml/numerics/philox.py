"""Philox4x32-10, a counter-based generator: every word is a function of its address.

J. K. Salmon, M. A. Moraes, R. O. Dror and D. E. Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC
2011, section 4.3.

An address is (seed, epoch, task, purpose, index). The 64-bit seed is the key. The counter's four words are
the block (index // 4), the task, the low half of the epoch, and the purpose in the top byte of the fourth
word with 24 more bits of the epoch below it. So there are 2**34 words a purpose, 2**32 tasks and 2**56
epochs, and no two addresses share a counter.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import config, types
from numba.extending import intrinsic, overload

from fastmaml.runtime.compilation import EXACT_FLAGS, exact, inlined
from fastmaml.runtime.emission import emit_loop, splat

# What a draw is for: draws for different purposes never share a word.
PURPOSE_INIT, PURPOSE_ORDER, PURPOSE_ROWS, PURPOSE_SUPPORT, PURPOSE_QUERY, PURPOSE_TASK = 0, 1, 2, 3, 4, 5

MULTIPLIER_0, MULTIPLIER_1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
WEYL_0, WEYL_1 = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)
LOW = np.uint64(0xFFFFFFFF)
HALF = np.uint64(32)
PURPOSE_SHIFT = np.uint64(24)
ROUNDS = 10
# Blocks that are computed side by side.
GROUP = 8


@inlined
def _round(c0: Any, c1: Any, c2: Any, c3: Any, key_0: Any, key_1: Any) -> Any:
    # Only the factors are cut to 32 bits, which is what the instruction that multiplies them does by itself.
    product_0 = MULTIPLIER_0 * (c0 & LOW)
    product_1 = MULTIPLIER_1 * (c2 & LOW)
    return (
        (product_1 >> HALF) ^ c1 ^ key_0,
        product_1,
        (product_0 >> HALF) ^ c3 ^ key_1,
        product_0,
        (key_0 + WEYL_0) & LOW,
        (key_1 + WEYL_1) & LOW,
    )


@inlined
def _address(seed: Any, epoch: Any, task: Any, purpose: int) -> Any:
    """Return the two words of the key, and all of the counter's but the block."""
    return (
        np.uint64(seed) & LOW,
        np.uint64(seed) >> HALF,
        np.uint64(task) & LOW,
        np.uint64(epoch) & LOW,
        (np.uint64(purpose) << PURPOSE_SHIFT) | (np.uint64(epoch) >> HALF),
    )


@inlined
def philox_block(c0: Any, c1: Any, c2: Any, c3: Any, key_0: Any, key_1: Any) -> Any:
    """Return the four words of one counter. Everything is a uint64 that holds 32 bits."""
    # Ten rounds, written out: a loop of ten inside the loop over counters keeps the latter from vectorising.
    c0, c1, c2, c3, key_0, key_1 = _round(c0, c1, c2, c3, key_0, key_1)
    c0, c1, c2, c3, key_0, key_1 = _round(c0, c1, c2, c3, key_0, key_1)
    c0, c1, c2, c3, key_0, key_1 = _round(c0, c1, c2, c3, key_0, key_1)
    c0, c1, c2, c3, key_0, key_1 = _round(c0, c1, c2, c3, key_0, key_1)
    c0, c1, c2, c3, key_0, key_1 = _round(c0, c1, c2, c3, key_0, key_1)
    c0, c1, c2, c3, key_0, key_1 = _round(c0, c1, c2, c3, key_0, key_1)
    c0, c1, c2, c3, key_0, key_1 = _round(c0, c1, c2, c3, key_0, key_1)
    c0, c1, c2, c3, key_0, key_1 = _round(c0, c1, c2, c3, key_0, key_1)
    c0, c1, c2, c3, key_0, key_1 = _round(c0, c1, c2, c3, key_0, key_1)
    c0, c1, c2, c3, key_0, key_1 = _round(c0, c1, c2, c3, key_0, key_1)
    return c0 & LOW, c1 & LOW, c2 & LOW, c3 & LOW


@exact
def philox_words_at(seed: Any, epoch: Any, task: Any, purpose: int, block: Any) -> Any:
    """Return the four words of index ``4 * block`` and on, each a uint64 that holds 32 bits."""
    key_0, key_1, c1, c2, c3 = _address(seed, epoch, task, purpose)
    return philox_block(np.uint64(block) & LOW, c1, c2, c3, key_0, key_1)


def philox_groups(c1: Any, c2: Any, c3: Any, key_0: Any, key_1: Any, groups: int, out: Any) -> None:
    """Write the words of the first ``8 * groups`` blocks to ``out`` (uint32); the rest as `philox_block`."""
    for block in range(GROUP * groups):
        words = philox_block(np.uint64(block), c1, c2, c3, key_0, key_1)
        for i in range(4):
            out[4 * block + i] = words[i]


if not config.DISABLE_JIT:

    @intrinsic
    def _philox_groups(
        typingctx: Any, c1: Any, c2: Any, c3: Any, key_0: Any, key_1: Any, groups: Any, out: Any
    ) -> Any:
        """As `philox_groups`, eight blocks at a time in 64-bit lanes.

        Ten rounds wait for each other, so it takes two vector registers of blocks to keep the multipliers
        busy, which the compiler's own vector loop does not give.
        """

        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            word, lanes = ir.IntType(64), ir.VectorType(ir.IntType(64), GROUP)
            array = context.make_array(signature.args[6])(context, builder, args[6])

            def constant(value: Any) -> Any:
                return ir.Constant(lanes, [int(value)] * GROUP)

            def round_of(counter: list[Any], keys: list[Any]) -> list[Any]:
                c0, c1, c2, c3 = counter
                product_0 = builder.mul(constant(MULTIPLIER_0), builder.and_(c0, constant(LOW)))
                product_1 = builder.mul(constant(MULTIPLIER_1), builder.and_(c2, constant(LOW)))
                high_0, high_1 = (builder.lshr(p, constant(HALF)) for p in (product_0, product_1))
                return [
                    builder.xor(builder.xor(high_1, c1), keys[0]),
                    product_1,
                    builder.xor(builder.xor(high_0, c3), keys[1]),
                    product_0,
                ]

            counter_end = [splat(builder, value, GROUP) for value in args[:3]]
            schedule = []
            for number in range(ROUNDS):
                keys = []
                for key, weyl in zip(args[3:5], (WEYL_0, WEYL_1), strict=True):
                    step = ir.Constant(word, number * int(weyl) & int(LOW))
                    keys.append(splat(builder, builder.add(key, step), GROUP))
                schedule.append(keys)

            def group(index: Any, _: list[Any]) -> list[Any]:
                first = builder.mul(index, ir.Constant(word, GROUP))
                numbers = ir.Constant(lanes, list(range(GROUP)))
                counter = [builder.add(splat(builder, first, GROUP), numbers), *counter_end]
                for keys in schedule:
                    counter = round_of(counter, keys)
                low = [builder.and_(counter[i], constant(LOW)) for i in (0, 2)]
                high = [builder.shl(counter[i], constant(HALF)) for i in (1, 3)]
                pairs = [builder.or_(a, b) for a, b in zip(low, high, strict=True)]
                order = [i + GROUP * half for i in range(GROUP) for half in (0, 1)]
                mask = ir.Constant(ir.VectorType(ir.IntType(32), 2 * GROUP), order)
                words = builder.shuffle_vector(*pairs, mask)
                place = builder.gep(array.data, [builder.mul(first, ir.Constant(word, 4))])
                builder.store(words, builder.bitcast(place, words.type.as_pointer()), align=4)
                return []

            emit_loop(builder, ir.Constant(word, 0), args[5], 1, [], group)
            return context.get_dummy_value()

        words = [types.uint64] * 5
        return types.none(*words, types.int64, out), generate

    @overload(philox_groups, jit_options=EXACT_FLAGS, strict=False)
    def _choose_groups(*args: Any) -> Any:
        def implementation(*args: Any) -> Any:
            return _philox_groups(*args)

        return implementation


@exact
def words_room(count: Any) -> Any:
    """Return how many words `philox_words` writes: ``count``, rounded up to whole groups."""
    return (count + 4 * GROUP - 1) // (4 * GROUP) * (4 * GROUP)


@exact
def philox_words(seed: Any, epoch: Any, task: Any, purpose: int, count: Any, out: Any) -> None:
    """Write the words of index 0 to ``count`` to ``out`` (uint32), which has `words_room`."""
    key_0, key_1, c1, c2, c3 = _address(seed, epoch, task, purpose)
    philox_groups(c1, c2, c3, key_0, key_1, words_room(count) // (4 * GROUP), out)
