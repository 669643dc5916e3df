"""The engine: one compiled loop, put together from pieces that are compiled apart.

Each piece is an entry point with a record of its own (`fastmaml.runtime.entry`), and the pieces call each
other by address. So what is compiled for a source, a model, an algorithm and an optimizer is compiled once,
and serves every combination; what a run lacks is compiled in two processes at once
(`fastmaml.runtime.together`):

- `drawing`: a source draws tasks into `places`;
- `model_pieces`: a model's losses, derivatives and predictions;
- `gradients`: an algorithm turns the tasks of a chunk into a row of sums;
- `outer_step`: an optimizer takes the step;
- `loop`: the epochs, which knows of no part at all;
- `adapting`: an algorithm adapts drawn tasks, and they are scored.
"""
