"""The engine: one compiled loop, put together from pieces that are compiled apart.

Each piece is an entry point with a record of its own (`fastmaml.runtime.entry`), and the pieces call each
other by address. So what is compiled for a source, for a model with an algorithm, and for an optimizer is
compiled once, and serves every combination:

- `drawing`: a source draws tasks into `places`;
- `gradients`: a model and an algorithm turn the tasks of a chunk into a row of sums;
- `outer_step`: an optimizer takes the step;
- `loop`: the epochs, which knows of no part at all;
- `adapting`: a model and an algorithm adapt drawn tasks and score them.
"""
