"""
Digits as episodes: classes never seen
======================================

The usual test bed of few-shot learning, in small: images of handwritten digits (scikit-learn's, 8 x 8
pixels). An episode shows three digits, numbered anew each time, with five images of each. We learn from
episodes of the digits 0 to 4 and test on episodes of 5 to 9.

Run it with ``python examples/digits_episodes.py``.
"""

from sklearn.datasets import load_digits

from fastmaml import TaskSet, algorithms, meta_train, models, optimizers, sources

WAYS, SHOTS = 3, 5

# %%
# Pixels from 0 to 16 become numbers from 0 to 1.

digits = load_digits()
X, y = digits.data / 16, digits.target
known, new = y < 5, y >= 5
print(f"{known.sum()} images of the digits 0 to 4 to learn from, {new.sum()} of 5 to 9 to test on")

# %%
# A perceptron with one hidden layer. Episodes are drawn anew in every epoch inside the compiled loop.

run = meta_train(
    models.MLP(num_features=X.shape[1], hidden=(40,), num_outputs=WAYS, loss="categorical_cross_entropy"),
    algorithms.MAML(order=2, inner_steps=5, inner_rate=0.1),
    sources.Episodes(X[known], y[known], ways=WAYS, shots=SHOTS, queries=SHOTS),
    optimizers.Adam(learning_rate=1e-3),
    tasks_per_batch=16,
    epochs=2000,
    random_state=0,
)
print(f"{run.epochs} epochs, the last with a mean query loss of {run.history[-1][1]:.3f}")

# %%
# Test tasks are fixed episodes of the digits never seen. Rows to adapt on are counted in all: fifteen are
# five of each digit on average. Since digits are numbered anew in each episode, nothing that does not adapt
# can be better than a guess. The baselines learn from episodes of the digits 0 to 4. Five digits make no more
# than ten sets of three: how well the start does on these, and how well on others, are two questions.

test = TaskSet.from_episodes(X[new], y[new], ways=WAYS, shots=20, num_tasks=200, random_state=1)
train = TaskSet.from_episodes(X[known], y[known], ways=WAYS, shots=10, num_tasks=200, random_state=2)
familiar = run.evaluate(train, shots=15, steps=5, baselines=False, random_state=0)
right = 100 * familiar.accuracy[0]
print(f"Episodes of the digits learned from: {right:.1f} % right after 15 shots and 5 steps")
print("Episodes of the digits never seen:\n")
report = run.evaluate(test, shots=(3, 6, 15), steps=(0, 1, 5, 10), train_tasks=train, random_state=0)
print(report)
